"""Uses of keys in PostgreSQL and nonces in Redis: suites, and their bad days."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.adapters.redis_nonces import RedisNonces
from headrace_auth.ports import BATCHES_KEPT
from headrace_auth.testing.key_suites import KEYS, KeyUsesSuite, NoncesSuite, known_uses, use
from headrace_auth.testing.seeding import seed
from headrace_auth.testing.suites import NOW, keep
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_common.postgres import create_engine


@pytest.fixture
async def store(auth_engine: AsyncEngine) -> PostgresStore:
    store = PostgresStore(auth_engine, timeout_seconds=5)
    await seed(store, "hash")
    return store


@pytest.fixture
async def nonces(redis_url: str) -> AsyncIterator[RedisNonces]:
    nonces = RedisNonces(redis_url, timeout_seconds=5, maximum_connections=8)
    yield nonces
    await nonces.close()


class TestPostgresKeyUses(KeyUsesSuite):
    pass


class TestRedisNonces(NoncesSuite):
    pass


async def test_old_batches_are_forgotten(store: PostgresStore, auth_engine: AsyncEngine) -> None:
    await keep(store, *KEYS)
    old, recent = uuid7(NOW), uuid7(NOW)
    for batch in (old, recent):
        await store.key_uses.add(batch, [use(0, 1)])
    batches = tables.key_use_batches
    async with auth_engine.begin() as connection:
        too_old = func.clock_timestamp() - BATCHES_KEPT - timedelta(seconds=1)
        await connection.execute(
            update(batches).where(batches.c.id == old).values(added_at=too_old)
        )
    latest = uuid7(NOW)
    await store.key_uses.add(latest, [use(0, 1)])
    async with auth_engine.begin() as connection:
        kept = (await connection.execute(select(batches.c.id))).scalars()
        assert set(kept) == {recent, latest}


async def test_a_report_does_not_wait_for_who_changes_the_key(
    store: PostgresStore, auth_engine: AsyncEngine
) -> None:
    await keep(store, *KEYS)
    async with auth_engine.begin() as connection:
        await connection.execute(update(tables.api_keys).values(name="changing"))
        assert await store.key_uses.add(uuid7(NOW), [use(0, 1)])
    assert len(await known_uses(store)) == 1


async def test_without_a_database_nothing_is_counted_and_the_batch_may_come_again(
    tmp_path: Path,
) -> None:
    engine = create_engine(f"postgresql+asyncpg://u@/d?host={tmp_path}")
    absent = PostgresStore(engine, timeout_seconds=2)
    with pytest.raises(HeadraceError) as caught:
        await absent.key_uses.add(uuid7(NOW), [use(0, 1)])
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await engine.dispose()


async def test_nonces_end_by_themselves_and_are_not_kept_in_the_clear(
    nonces: RedisNonces, redis_url: str
) -> None:
    await nonces.burn("key", "canary", timedelta(minutes=15))
    async with Redis.from_url(redis_url) as redis:
        [name] = [key async for key in redis.scan_iter("*")]
        assert name.startswith(b"auth:nonce:key:")
        assert b"canary" not in name
        assert 890 < await redis.ttl(name) <= 900
        await redis.delete(name)
    assert await nonces.burn("key", "canary", timedelta(minutes=15))


async def test_without_redis_no_nonce_is_taken(tmp_path: Path) -> None:
    nonces = RedisNonces(f"unix://{tmp_path}/none", timeout_seconds=1, maximum_connections=2)
    with pytest.raises(HeadraceError) as caught:
        await nonces.burn("key", "n", timedelta(minutes=1))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await nonces.close()
