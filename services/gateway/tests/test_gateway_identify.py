"""Identifying callers: what is remembered, for how long, and what counts at every use."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import MemoryAccounts
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.revocations import Ended

START = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN, KEY = "head.payload.signature", "hr_key"
FRESH, STALE = 10.0, 600.0
PRINCIPAL = Principal(
    "token-1", "user-1", "org-1", frozenset(), expires_at=START + timedelta(hours=1)
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def accounts() -> MemoryAccounts:
    accounts = MemoryAccounts()
    accounts.principals = {TOKEN: PRINCIPAL, KEY: PRINCIPAL}
    return accounts


@pytest.fixture
def identify(accounts: MemoryAccounts, clock: FakeClock) -> Identify:
    return Identify(
        accounts,
        accounts,
        clock,
        Ended(accounts, clock, keep_seconds=STALE),
        fresh_seconds=FRESH,
        stale_seconds=STALE,
        maximum_strangers=8,
    )


async def run(identify: Identify, credential: str = TOKEN) -> Principal:
    exchange = Exchange("r1", Activity.MODEL_LIST, "GET", "127.0.0.1", credential, START, 0.0)
    principal = await identify.run(exchange)
    assert exchange.principal is principal
    return principal


async def refused(identify: Identify, credential: str = TOKEN) -> Reason:
    with pytest.raises(HeadraceError) as caught:
        await run(identify, credential)
    return caught.value.reason


async def test_a_known_token_is_neither_verified_nor_resolved_again_while_fresh(
    identify: Identify, accounts: MemoryAccounts, clock: FakeClock
) -> None:
    for _ in range(3):
        assert await run(identify) is PRINCIPAL
    clock.advance(FRESH - 0.001)
    await run(identify)
    assert (accounts.verifications, accounts.resolutions) == (1, 1)
    clock.advance(0.001)
    await run(identify)
    assert (accounts.verifications, accounts.resolutions) == (2, 2)


async def test_a_key_is_resolved_but_never_verified_as_a_token(
    identify: Identify, accounts: MemoryAccounts
) -> None:
    await run(identify, KEY)
    await run(identify, KEY)
    assert (accounts.verifications, accounts.resolutions) == (0, 1)


@pytest.mark.parametrize("credential", [TOKEN, KEY])
async def test_a_fresh_principal_expires_to_the_microsecond(
    identify: Identify, accounts: MemoryAccounts, clock: FakeClock, credential: str
) -> None:
    soon = clock.now() + timedelta(seconds=5)
    accounts.principals[credential] = replace(PRINCIPAL, expires_at=soon)
    await run(identify, credential)
    clock.advance(4.999999)
    await run(identify, credential)
    clock.advance(0.000001)
    assert await refused(identify, credential) is Reason.CREDENTIAL_INVALID
    assert accounts.resolutions == 1


async def test_no_other_credential_profits_from_a_known_one(
    identify: Identify, accounts: MemoryAccounts
) -> None:
    await run(identify)
    for other in (TOKEN[:-1], f"{TOKEN}=", TOKEN.upper(), f" {TOKEN}"):
        assert await refused(identify, other) is Reason.CREDENTIAL_INVALID
    assert accounts.resolutions == 1


async def test_a_forged_token_never_gets_as_far_as_auth(
    identify: Identify, accounts: MemoryAccounts
) -> None:
    assert await refused(identify, "forged.by.someone") is Reason.CREDENTIAL_INVALID
    assert (accounts.verifications, accounts.resolutions) == (1, 0)


async def test_a_token_that_verifies_no_more_ends_with_its_fresh_time_also_without_auth(
    identify: Identify, accounts: MemoryAccounts, clock: FakeClock
) -> None:
    await run(identify)
    accounts.unavailable = True
    del accounts.principals[TOKEN]  # its key was withdrawn
    await run(identify)
    clock.advance(FRESH)
    assert await refused(identify) is Reason.CREDENTIAL_INVALID


async def test_without_auth_a_known_token_goes_on_and_is_verified_once_a_second(
    identify: Identify, accounts: MemoryAccounts, clock: FakeClock
) -> None:
    await run(identify)
    accounts.unavailable = True
    clock.advance(FRESH)
    for _ in range(3):
        await run(identify)
    assert (accounts.verifications, accounts.resolutions) == (2, 2)
    clock.advance(STALE)
    assert await refused(identify) is Reason.DEPENDENCY_UNAVAILABLE


async def test_many_at_once_ask_auth_once(identify: Identify, accounts: MemoryAccounts) -> None:
    accounts.door.clear()
    waiting = [asyncio.create_task(run(identify)) for _ in range(5)]
    async with asyncio.timeout(5):
        while not accounts.resolutions:  # noqa: ASYNC110 - until the first of them has asked
            await asyncio.sleep(0)
    accounts.door.set()
    assert await asyncio.gather(*waiting) == [PRINCIPAL] * 5
    assert accounts.resolutions == 1
