"""The suites that every KeyUses and every Nonces must pass; adapters' test classes inherit them."""

import asyncio
from datetime import datetime, timedelta

import pytest

from headrace_auth.domain.api_keys import ApiKey, ApiKeyUse
from headrace_auth.ports import Nonces, Store
from headrace_auth.testing.suites import NOW, keep, make_key
from headrace_common.ids import uuid7

KEYS = tuple(make_key(number) for number in range(4))
IDS = tuple(key.api_key_id for key in KEYS)
SECOND = timedelta(seconds=1)


def use(number: int, count: int, moment: datetime = NOW) -> ApiKeyUse:
    """Of one of KEYS."""
    return ApiKeyUse(IDS[number], moment, count)


async def known_uses(store: Store) -> dict[str, ApiKeyUse]:
    """By key."""
    async with store.begin() as transaction:
        return {each.api_key_id: each for each in await transaction.of(ApiKeyUse).find()}


class KeyUsesSuite:
    """Subclasses provide a fixture `store`, filled with the directory."""

    @pytest.fixture(autouse=True)
    async def with_keys(self, store: Store) -> None:
        await keep(store, *KEYS)

    async def test_counts_add_up_and_the_latest_moment_stays(self, store: Store) -> None:
        assert await store.key_uses.add(uuid7(NOW), [use(0, 2), use(1, 1)])
        later = [use(0, 3, NOW + SECOND), use(1, 2**40, NOW - SECOND)]
        assert await store.key_uses.add(uuid7(NOW), later)
        assert await known_uses(store) == {
            IDS[0]: use(0, 5, NOW + SECOND),
            IDS[1]: use(1, 2**40 + 1),
        }

    async def test_a_batch_that_comes_again_counts_once(self, store: Store) -> None:
        batch = uuid7(NOW)
        assert await store.key_uses.add(batch, [use(0, 2)])
        assert not await store.key_uses.add(batch, [use(0, 2)])
        assert not await store.key_uses.add(batch, [use(1, 1)])
        assert await known_uses(store) == {IDS[0]: use(0, 2)}

    async def test_a_batch_that_comes_many_times_at_once_counts_once(self, store: Store) -> None:
        batch = uuid7(NOW)
        added = await asyncio.gather(*(store.key_uses.add(batch, [use(0, 2)]) for _ in range(6)))
        assert sorted(added) == [False] * 5 + [True]
        assert await known_uses(store) == {IDS[0]: use(0, 2)}

    async def test_batches_at_once_in_any_order_all_count(self, store: Store) -> None:
        uses = [use(number, 1) for number in range(len(KEYS))]
        batches = [uses if number % 2 else uses[::-1] for number in range(20)]
        await asyncio.gather(*(store.key_uses.add(uuid7(NOW), batch) for batch in batches))
        counts = {each.api_key_id: each.use_count for each in (await known_uses(store)).values()}
        assert counts == dict.fromkeys(IDS, 20)

    async def test_keys_that_do_not_exist_are_left_out(self, store: Store) -> None:
        stranger = ApiKeyUse(make_key(99).api_key_id, NOW, 1)
        assert await store.key_uses.add(uuid7(NOW), [stranger, use(0, 1)])
        assert await known_uses(store) == {IDS[0]: use(0, 1)}

    async def test_any_of_several_values_is_found(self, store: Store) -> None:
        async with store.begin() as transaction:
            keys = transaction.of(ApiKey)
            found = await keys.find(api_key_id=frozenset({*IDS[:2], "unknown"}))
            assert {key.api_key_id for key in found} == set(IDS[:2])
            assert await keys.find(api_key_id=frozenset()) == []


class NoncesSuite:
    """Subclasses provide a fixture `nonces`."""

    async def test_a_nonce_is_good_once(self, nonces: Nonces) -> None:
        assert await nonces.burn("key", "n", SECOND * 60)
        assert not await nonces.burn("key", "n", SECOND * 60)

    async def test_keys_have_nonces_of_their_own(self, nonces: Nonces) -> None:
        assert await nonces.burn("one", "n", SECOND * 60)
        assert await nonces.burn("two", "n", SECOND * 60)

    @pytest.mark.parametrize("nonce", ["", " ", "N", "n\n", "n:1", "\N{SNOWMAN}", "*", "x" * 128])
    async def test_a_nonce_may_be_any_text(self, nonces: Nonces, nonce: str) -> None:
        assert await nonces.burn("key", "n", SECOND * 60)
        assert await nonces.burn("key", nonce, SECOND * 60)
        assert not await nonces.burn("key", nonce, SECOND * 60)

    async def test_of_many_at_once_one_wins(self, nonces: Nonces) -> None:
        won = await asyncio.gather(*(nonces.burn("key", "n", SECOND * 60) for _ in range(20)))
        assert sum(won) == 1
