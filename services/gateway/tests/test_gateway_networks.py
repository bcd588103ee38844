"""From where a credential may be used."""

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.principal import Network
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

V4, V6 = "10.1.0.0/16", "2001:db8:1::/48"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def _allows(address: str, *networks: str) -> bool:
    try:
        replace(PRINCIPAL, allowed_networks=_networks(*networks)).require_network(address)
    except HeadraceError as error:
        if error.reason is not Reason.PERMISSION_DENIED:
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("address", "networks", "allowed"),
    [
        ("10.1.2.3", (V4,), True),
        ("10.2.0.1", (V4,), False),
        ("10.1.255.255", (V4,), True),
        ("10.2.0.1", (V4, "10.2.0.1/32"), True),
        ("10.2.0.1", (V4, V6), False),
        ("2001:db8:1::5", (V6,), True),
        ("2001:db8:2::5", (V6,), False),
        ("2001:DB8:1:0:0::5", (V4, V6), True),
        ("::ffff:10.1.2.3", (V4,), True),
        ("::ffff:10.2.0.1", (V4,), False),
        ("::ffff:a01:203", (V4,), True),
        # What looks like the address in another notation is another address.
        ("::10.1.2.3", (V4,), False),
        ("64:ff9b::10.1.2.3", (V4,), False),
        ("10.1.2.3", ("::/0",), False),
        ("2001:db8:1::5", ("0.0.0.0/0",), False),
        ("10.1.2.3", ("0.0.0.0/0",), True),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("", (V4, V6), False),
        ("", ("0.0.0.0/0", "::/0"), False),
        ("", (), True),
        ("10.1.2.3", (), True),
    ],
)
def test_an_address_is_inside_or_the_credential_may_not_be_used(
    address: str, networks: tuple[str, ...], allowed: bool
) -> None:
    assert _allows(address, *networks) is allowed


@given(st.ip_addresses())
def test_everybody_is_inside_of_the_whole_and_of_oneself(
    address: IPv4Address | IPv6Address,
) -> None:
    assert _allows(str(address), "0.0.0.0/0", "::/0")
    same = getattr(address, "ipv4_mapped", None) or address
    assert _allows(str(address), str(same))


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


async def _models_from(gateway: Gateway, address: str) -> httpx.Response:
    transport = httpx.ASGITransport(gateway.app, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.get("/v1/models", headers={"authorization": f"Bearer {KEY}"})


async def test_a_credential_works_from_its_networks_only_known_or_not(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, allowed_networks=_networks(V4, V6))
    for _ in range(2):
        for address, status in (
            ("10.1.0.9", 200),
            ("192.0.2.7", 403),
            ("::ffff:10.1.0.9", 200),
            ("2001:db8:1::9", 200),
            ("not an address", 403),
        ):
            assert (await _models_from(gateway, address)).status_code == status, address
    assert gateway.accounts.resolutions == 1


async def test_a_refusal_tells_nothing_of_the_networks_and_counts_for_nothing(
    gateway: Gateway,
) -> None:
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, allowed_networks=_networks(V4))
    answer = await _models_from(gateway, "192.0.2.7")
    assert answer.json()["error"]["code"] == "permission_denied"
    assert "10.1" not in answer.text
    [exchange] = gateway.events.exchanges
    assert (exchange.source_address, exchange.admission) == ("192.0.2.7", None)
