"""PostgreSQL and Redis on a bad day: no answer is never taken for a bad credential."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_auth.testing.directory import ACME
from headrace_auth.testing.suites import make_key
from headrace_common.errors import HeadraceError, Reason
from headrace_common.postgres import create_engine
from headrace_common.testing.postgres import proxying_postgres
from headrace_common.testing.proxy import Proxy, Streams, proxying
from headrace_gateway.adapters.redis_limiter import revocation_key

KEY_ID = make_key(1).api_key_id


@pytest.fixture
async def proxied(auth_database_url: str) -> AsyncIterator[tuple[Proxy, PostgresStore]]:
    async with proxying_postgres(auth_database_url) as (proxy, url):
        engine = create_engine(url, statement_seconds=0.5)
        store = PostgresStore(engine, timeout_seconds=0.5)
        yield proxy, store
        await store.close()
        await engine.dispose()


async def _is_unavailable(store: PostgresStore) -> None:
    with pytest.raises(HeadraceError) as caught:
        async with asyncio.timeout(4):
            await store.principals.api_key(KEY_ID)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_cut_connection_is_unavailable_and_recovers(
    proxied: tuple[Proxy, PostgresStore],
) -> None:
    proxy, store = proxied
    assert await store.principals.api_key(KEY_ID) is None
    proxy.cut()
    await _is_unavailable(store)
    proxy.restore()
    assert await store.principals.api_key(KEY_ID) is None


async def test_a_frozen_database_is_unavailable_within_the_deadline(
    proxied: tuple[Proxy, PostgresStore],
) -> None:
    proxy, store = proxied
    assert await store.principals.api_key(KEY_ID) is None
    proxy.freeze()
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(_is_unavailable(store) for _ in range(20)))
    assert asyncio.get_running_loop().time() - started < 1.5
    proxy.restore()
    assert await store.principals.api_key(KEY_ID) is None


async def test_a_revocation_is_marked_where_the_gateway_looks(redis_url: str) -> None:
    announcer = RedisRevocationAnnouncer(redis_url, timeout_seconds=1, maximum_connections=8)
    await announcer.announce(ACME, [KEY_ID])
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        marker = revocation_key(ACME, KEY_ID)
        assert await redis.get(marker) == "1"
        assert 86_000 < await redis.ttl(marker) <= 86_400
    await announcer.close()


async def test_many_ends_are_marked_at_once_each_in_its_organisation(redis_url: str) -> None:
    announcer = RedisRevocationAnnouncer(redis_url, timeout_seconds=1, maximum_connections=8)
    ended = [KEY_ID, "session:s1", "member:u1:1", "organization:1", "user:u1:1"]
    await announcer.announce(ACME, ended)
    await announcer.announce(ACME, ended)
    await announcer.announce(ACME, [])
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        assert {key async for key in redis.scan_iter("*")} == {
            revocation_key(ACME, each) for each in ended
        }
    await announcer.close()


async def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    announcer = RedisRevocationAnnouncer(
        f"unix://{tmp_path}/none.sock", timeout_seconds=1, maximum_connections=8
    )
    with pytest.raises(HeadraceError) as caught:
        await announcer.announce(ACME, [KEY_ID])
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await announcer.close()


async def test_a_silent_redis_is_unavailable_within_the_deadline() -> None:
    async def never() -> Streams:
        return await asyncio.Future[Streams]()

    async with proxying(never) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        announcer = RedisRevocationAnnouncer(url, timeout_seconds=0.3, maximum_connections=8)
        with pytest.raises(HeadraceError) as caught:
            async with asyncio.timeout(2):
                await announcer.announce(ACME, [KEY_ID])
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
        await announcer.close()
