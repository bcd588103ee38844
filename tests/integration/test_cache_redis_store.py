"""The Redis store passes the stores' suite, expires, and reports an absent Redis as unavailable."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from headrace_cache.adapters.redis import RedisEntryStore
from headrace_cache.testing import EntryStoreSuite
from headrace_common.errors import HeadraceError, Reason


class TestRedisEntryStore(EntryStoreSuite):
    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[RedisEntryStore]:
        store = RedisEntryStore(redis_url, timeout_seconds=2)
        yield store
        await store.close()


async def test_redis_itself_expires_entries(redis_url: str) -> None:
    store = RedisEntryStore(redis_url, timeout_seconds=2)
    await store.put("cache:{a}:ttl", b"x", 77)
    async with Redis.from_url(redis_url) as redis:
        assert 70 < await redis.ttl("cache:{a}:ttl") <= 77
    await store.close()


async def test_an_absent_redis_is_unavailable_not_a_miss(tmp_path: Path) -> None:
    store = RedisEntryStore(f"unix://{tmp_path}/nobody.sock", timeout_seconds=0.5)
    with pytest.raises(HeadraceError) as caught:
        await store.get("cache:{a}:1")
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await store.close()
