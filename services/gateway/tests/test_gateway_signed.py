"""Signed requests in the pipeline: asked for each time, bounded, accounted for."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network

import httpx
import pytest

from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.testing.gateway import PRINCIPAL, Gateway, running_gateway

KEY_ID = "0123456789abcdefG"
SIGNER = replace(PRINCIPAL, credential_id=KEY_ID, revocation_ids=(KEY_ID, f"key:{KEY_ID}:1"))
NONCES = itertools.count()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(maximum_strangers_in_flight=3) as running:
        running.accounts.signers[KEY_ID] = SIGNER
        yield running


def _signed(gateway: Gateway, path: str = "/v1/models") -> httpx.Request:
    """As MemoryAccounts believes it."""
    created = int(gateway.clock.now().timestamp())
    covered = '("@method" "@authority" "@path")'
    params = f'{covered};created={created};keyid="{KEY_ID}";nonce="{next(NONCES)}"'
    lines = ['"@method": GET', '"@authority": gateway', f'"@path": {path}']
    base = "\n".join([*lines, f'"@signature-params": {params}'])
    signature = base64.b64encode(hashlib.sha256(base.encode()).digest()).decode()
    headers = {"signature-input": f"sig={params}", "signature": f"sig=:{signature}:"}
    return httpx.Request("GET", f"http://gateway{path}", headers=headers)


async def _status(gateway: Gateway, request: httpx.Request) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        return (await client.send(request)).status_code


async def test_auth_is_asked_about_every_request(gateway: Gateway) -> None:
    for _ in range(3):
        assert await _status(gateway, _signed(gateway)) == 200
    assert gateway.accounts.resolutions == 3
    assert {e.principal for e in gateway.events.exchanges} == {SIGNER}


async def test_while_auth_does_not_answer_nobody_is_believed_from_memory(
    gateway: Gateway,
) -> None:
    assert await _status(gateway, _signed(gateway)) == 200
    gateway.accounts.unavailable = True
    assert await _status(gateway, _signed(gateway)) == 503
    gateway.accounts.unavailable = False
    assert await _status(gateway, _signed(gateway)) == 200


async def test_so_many_signatures_are_checked_at_once(gateway: Gateway) -> None:
    gateway.accounts.door.clear()
    waiting = [asyncio.create_task(_status(gateway, _signed(gateway))) for _ in range(3)]
    async with asyncio.timeout(5):
        while gateway.accounts.resolutions < 3:  # noqa: ASYNC110 - until all have asked
            await asyncio.sleep(0)
    assert await _status(gateway, _signed(gateway)) == 503
    gateway.accounts.door.set()
    assert await asyncio.gather(*waiting) == [200, 200, 200]
    assert await _status(gateway, _signed(gateway)) == 200


async def test_what_cannot_be_a_signature_is_refused_without_asking_and_recorded(
    gateway: Gateway,
) -> None:
    request = _signed(gateway)
    request.headers["signature"] = "sig=:AAAA:, other=:AAAA:"
    assert await _status(gateway, request) == 401
    assert gateway.accounts.resolutions == 0
    [exchange] = gateway.events.exchanges
    assert exchange.outcome is Outcome.REFUSED


async def test_account_routes_neither_ask_nor_use_up_the_nonce(gateway: Gateway) -> None:
    request = _signed(gateway, "/api/v1/keys")
    assert await _status(gateway, request) == 403
    assert (gateway.accounts.resolutions, gateway.accounts.calls) == (0, [])
    [exchange] = gateway.events.exchanges
    assert exchange.outcome is Outcome.REFUSED


async def test_networks_and_expiry_of_the_key_hold(gateway: Gateway) -> None:
    signers = gateway.accounts.signers
    signers[KEY_ID] = replace(SIGNER, allowed_networks=(ip_network("10.9.0.0/16"),))
    assert await _status(gateway, _signed(gateway)) == 403
    signers[KEY_ID] = replace(SIGNER, expires_at=gateway.clock.now())
    assert await _status(gateway, _signed(gateway)) == 401
    await gateway.key_uses.report()
    assert gateway.accounts.use_batches == [], "it was not used"


async def test_what_was_announced_to_have_ended_is_refused(gateway: Gateway) -> None:
    gateway.limiter.revoked.add((SIGNER.organization_id, f"key:{KEY_ID}:1"))
    assert await _status(gateway, _signed(gateway)) == 401
    assert gateway.accounts.resolutions == 1
