"""Uses of keys and nonces in memory pass the suites; batches are checked before they count."""

from datetime import timedelta
from typing import Any

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.adapters.memory_nonces import MemoryNonces
from headrace_auth.domain.api_keys import ApiKeyUse
from headrace_auth.ports import BATCHES_KEPT
from headrace_auth.testing.key_suites import (
    IDS,
    KEYS,
    KeyUsesSuite,
    NoncesSuite,
    known_uses,
    use,
)
from headrace_auth.testing.suites import keep, make_key
from headrace_auth.use_cases.api_keys.count_uses import MAXIMUM_USES, UseCounter
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

BATCH = "01900000-0000-7000-8000-0000000000bb"


class TestMemoryKeyUses(KeyUsesSuite):
    pass


class TestMemoryNonces(NoncesSuite):
    @pytest.fixture
    def nonces(self, clock: FakeClock) -> MemoryNonces:
        return MemoryNonces(clock)


async def test_a_nonce_is_remembered_for_its_time(clock: FakeClock) -> None:
    nonces = MemoryNonces(clock)
    await nonces.burn("key", "n", timedelta(seconds=10))
    clock.advance(9.9)
    assert not await nonces.burn("key", "n", timedelta(seconds=10))
    clock.advance(0.1)
    assert await nonces.burn("key", "n", timedelta(seconds=10))


async def test_a_batch_is_remembered_for_a_day(store: MemoryStore, clock: FakeClock) -> None:
    await keep(store, *KEYS)
    await store.key_uses.add(BATCH, [use(0, 1)])
    clock.advance(BATCHES_KEPT.total_seconds())
    assert not await store.key_uses.add(BATCH, [use(0, 1)])
    clock.advance(1)
    assert await store.key_uses.add(BATCH, [use(0, 1)])


async def test_uses_to_come_count_as_now(store: MemoryStore, clock: FakeClock) -> None:
    await keep(store, *KEYS)
    ahead = clock.now() + timedelta(days=400)
    await UseCounter(store.key_uses, clock).add(BATCH, [use(0, 1, ahead)])
    assert await known_uses(store) == {IDS[0]: use(0, 1, clock.now())}


@pytest.mark.parametrize(
    ("batch_id", "uses", "param"),
    [
        ("", [use(0, 1)], "batch_id"),
        ("x", [use(0, 1)], "batch_id"),
        (BATCH + "\n", [use(0, 1)], "batch_id"),
        (BATCH, [], "uses"),
        (BATCH, [use(0, 1), use(1, 1), use(0, 2)], "uses"),
        (BATCH, [use(0, 0)], "uses.count"),
        (BATCH, [use(0, 2**64 - 1)], "uses.count"),
        (BATCH, [ApiKeyUse("\0" * 17, use(0, 1).last_used_at, 1)], "uses.api_key_id"),
        (
            BATCH,
            [
                ApiKeyUse(make_key(number).api_key_id, use(0, 1).last_used_at, 1)
                for number in range(MAXIMUM_USES + 1)
            ],
            "uses",
        ),
    ],
)
async def test_a_batch_that_cannot_be_is_refused_whole(
    store: MemoryStore, clock: FakeClock, batch_id: str, uses: list[ApiKeyUse], param: Any
) -> None:
    await keep(store, *KEYS)
    with pytest.raises(HeadraceError) as caught:
        await UseCounter(store.key_uses, clock).add(batch_id, uses)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)
    assert await known_uses(store) == {}
