"""Uses of keys: counted in bounded memory, told in batches, none twice and none lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import MemoryAccounts
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.key_uses import KeyUse, UseBatch, UseCounts
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.stages.key_uses import BATCH_SIZE, KeyUses
from headrace_gateway.testing.account_caller import NOW, REQUEST
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway


@pytest.fixture
def accounts() -> MemoryAccounts:
    return MemoryAccounts()


@pytest.fixture
def uses(accounts: MemoryAccounts) -> KeyUses:
    return KeyUses(accounts, FakeClock(), report_seconds=0.01)


def _use(uses: KeyUses, number: int = 0, credential: str = KEY) -> None:
    principal = replace(PRINCIPAL, credential_id=f"key {number}")
    exchange: Exchange = replace(REQUEST, credential=credential)
    uses.count(exchange, principal)


def _told(accounts: MemoryAccounts) -> Counter[str]:
    """As `auth` adds it up: a batch once."""
    batches = {batch.batch_id: batch for batch in accounts.use_batches}
    told: Counter[str] = Counter()
    for batch in batches.values():
        told.update({use.api_key_id: use.count for use in batch.uses})
    return told


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 100))
        | st.integers(0, 3).map(lambda size: (None, size))
    ),
    st.integers(1, 4),
)
def test_what_is_taken_and_missed_is_all_there_was(
    steps: list[tuple[int | None, int]], maximum: int
) -> None:
    counts, taken, last = UseCounts(maximum), Counter[str](), dict[str, int]()
    added = 0

    def check(uses: tuple[KeyUse, ...]) -> None:
        for use in uses:
            taken[use.api_key_id] += use.count
            assert use.last_used_at == NOW + timedelta(seconds=last.pop(use.api_key_id))

    for key, number in steps:
        if key is None:
            check(counts.take(number))
        else:
            added += 1
            if str(key) in last or len(last) < maximum:
                last[str(key)] = max(number, last.get(str(key), 0))
            counts.add(str(key), NOW + timedelta(seconds=number))
    check(counts.take(maximum))
    assert counts.take(1) == ()
    assert taken.total() + counts.take_missed() == added
    assert counts.missed == 0


async def test_uses_are_told_in_one_batch(uses: KeyUses, accounts: MemoryAccounts) -> None:
    for number in (1, 2, 1):
        _use(uses, number)
    await uses.report()
    assert [len(batch.uses) for batch in accounts.use_batches] == [2]
    assert _told(accounts) == {"key 1": 2, "key 2": 1}
    await uses.report()
    assert len(accounts.use_batches) == 1


async def test_access_tokens_are_not_counted(uses: KeyUses, accounts: MemoryAccounts) -> None:
    _use(uses, credential="eyJ.a.b")
    await uses.report()
    assert accounts.use_batches == []


async def test_many_keys_are_told_in_several_batches(
    uses: KeyUses, accounts: MemoryAccounts
) -> None:
    for number in range(2 * BATCH_SIZE + 1):
        _use(uses, number)
    await uses.report()
    assert [len(batch.uses) for batch in accounts.use_batches] == [BATCH_SIZE, BATCH_SIZE, 1]
    assert _told(accounts).total() == 2 * BATCH_SIZE + 1


async def test_while_auth_does_not_answer_counts_are_kept(
    uses: KeyUses, accounts: MemoryAccounts
) -> None:
    accounts.unavailable = True
    for _ in range(3):
        _use(uses)
        await uses.report()
    assert accounts.use_batches == []
    accounts.unavailable = False
    await uses.report()
    assert _told(accounts) == {"key 0": 3}


class Forgetful(MemoryAccounts):
    """Takes the first batch and says that it did not."""

    async def report(self, batch: UseBatch) -> None:
        await super().report(batch)
        if len(self.use_batches) == 1:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the answer was lost")


async def test_a_batch_whose_answer_was_lost_goes_again_as_it_was() -> None:
    accounts = Forgetful()
    uses = KeyUses(accounts, FakeClock(), report_seconds=1)
    _use(uses)
    await uses.report()
    _use(uses)
    await uses.report()
    first, second, third = accounts.use_batches
    assert first == second
    assert third.batch_id != second.batch_id
    assert _told(accounts) == {"key 0": 2}


class Refusing(MemoryAccounts):
    """Never takes a batch with `key 1`."""

    async def report(self, batch: UseBatch) -> None:
        if any(use.api_key_id == "key 1" for use in batch.uses):
            raise HeadraceError(Reason.INVALID_FIELD, "no")
        await super().report(batch)


async def test_a_batch_that_is_refused_holds_up_no_other() -> None:
    accounts = Refusing()
    uses = KeyUses(accounts, FakeClock(), report_seconds=1)
    _use(uses, 1)
    await uses.report()
    _use(uses, 2)
    await uses.report()
    assert _told(accounts) == {"key 2": 1}


async def test_more_keys_than_there_is_room_for_are_missed(accounts: MemoryAccounts) -> None:
    uses = KeyUses(accounts, FakeClock(), report_seconds=1, maximum_keys=2)
    for number in (1, 2, 3, 1):
        _use(uses, number)
    await uses.report()
    _use(uses, 3)
    await uses.report()
    assert _told(accounts) == {"key 1": 2, "key 2": 1, "key 3": 1}


async def test_a_report_that_was_cut_short_is_finished_by_the_last_one(
    uses: KeyUses, accounts: MemoryAccounts
) -> None:
    class Slow(MemoryAccounts):
        async def report(self, batch: UseBatch) -> None:
            await super().report(batch)
            reached.set()
            await self.door.wait()

    reached, slow = asyncio.Event(), Slow()
    slow.door.clear()
    uses = KeyUses(slow, FakeClock(), report_seconds=0.001)
    _use(uses)
    reporting = asyncio.create_task(uses.keep_reporting())
    async with asyncio.timeout(5):
        await reached.wait()
    reporting.cancel()
    await asyncio.wait([reporting])
    slow.door.set()
    _use(uses)
    await uses.report()
    assert _told(slow) == {"key 0": 2}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


async def test_every_request_that_a_key_was_accepted_for_counts(gateway: Gateway) -> None:
    gateway.accounts.answers["ApiKeyService/ListApiKeys"] = AccountAnswer({"api_keys": []})
    await gateway.client.get("/v1/models")
    await gateway.client.get("/v1/models/none")
    await gateway.client.get("/api/v1/keys")
    body = {"model": "echo", "prompt": "x"}
    gateway.clock.advance(60)
    await gateway.client.post("/v1/completions", json=body)
    await gateway.client.get("/v1/models", headers={"authorization": "Bearer hr_wrong"})
    await gateway.client.get("/api/v1/health/liveness")
    await gateway.key_uses.report()
    [batch] = gateway.accounts.use_batches
    assert batch.uses == (KeyUse("test", 4, gateway.clock.now()),)
