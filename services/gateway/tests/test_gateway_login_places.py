"""Strangers log in from many addresses: none of these takes the places of the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.http.login_places import LoginPlaces
from headrace_gateway.testing.gateway import Gateway, running_gateway

LOG_IN = "/api/v1/auth/login"
PLACES, SHARE = 64, 16


def _reason(places: LoginPlaces, address: str) -> Reason | None:
    try:
        with places.taken(address):
            return None
    except HeadraceError as error:
        return error.reason


@pytest.mark.parametrize(
    ("holder", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("", "", "192.0.2.1"),
    ],
)
def test_an_address_with_its_share_waits_and_others_do_not(
    holder: str, same: str, other: str
) -> None:
    places = LoginPlaces(PLACES)
    with ExitStack() as held:
        for _ in range(SHARE):
            held.enter_context(places.taken(holder))
        assert _reason(places, same) is Reason.REQUEST_RATE_LIMITED
        assert _reason(places, other) is None
    assert _reason(places, same) is None


def test_many_addresses_take_all_places_and_no_more() -> None:
    places = LoginPlaces(PLACES)
    with ExitStack() as held:
        for number in range(PLACES):
            held.enter_context(places.taken(f"192.0.2.{number}"))
        assert _reason(places, "192.0.2.200") is Reason.QUEUE_FULL
    assert _reason(places, "192.0.2.200") is None


def test_nothing_is_remembered_of_whoever_has_left() -> None:
    places = LoginPlaces(PLACES)
    for number in range(3 * PLACES):
        assert _reason(places, f"192.0.2.{number}") is None
        with pytest.raises(ZeroDivisionError), places.taken(f"192.0.2.{number}"):
            raise ZeroDivisionError
    assert not places.sources


async def test_half_sent_logins_of_one_address_keep_nobody_else_out() -> None:
    over = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def slow_body() -> AsyncIterator[bytes]:
        begun.release()
        await over.wait()
        yield b"{}"

    async with (
        running_gateway(maximum_logins_in_flight=8) as gateway,
        _client(gateway, "192.0.2.1") as slow,
        _client(gateway, "192.0.2.2") as other,
    ):
        held = [asyncio.create_task(slow.post(LOG_IN, content=slow_body())) for _ in range(2)]
        for _ in held:
            await begun.acquire()
        refused = await slow.post(LOG_IN, json={})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await other.post(LOG_IN, json={})).status_code == 400
        over.set()
        await asyncio.gather(*held)
        assert (await slow.post(LOG_IN, json={})).status_code == 400


def _client(gateway: Gateway, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(gateway.app, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")
