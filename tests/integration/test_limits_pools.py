"""Every connection pool with a server that is killed, hangs, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.integration.breakable import BreakableServer, breakable_postgres, breakable_redis

from headrace_audit.adapters import postgres as audit
from headrace_audit.testing import failed_login
from headrace_auth.adapters.postgres import store as auth
from headrace_auth.adapters.postgres.tables import SCHEMA as AUTH_SCHEMA
from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_auth.testing.suites import make_key
from headrace_cache.adapters.redis import RedisEntryStore
from headrace_common.errors import HeadraceError, Reason
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine
from headrace_gateway.adapters.redis_limiter import RedisLimiter
from headrace_gateway.domain.admission import Charge
from headrace_gateway.testing.limiter_suite import PRINCIPAL, REQUESTS, demand

DEADLINE_SECONDS = 1.0
GRACE_SECONDS = 0.5
"""For closing what hangs; the gateway's deadline for auth exceeds auth's for PostgreSQL by this."""
SIZE = 8


@dataclass(frozen=True, slots=True)
class Pool:
    """A server, and the one call that is tried through the pool to it."""

    server: BreakableServer
    call: Callable[[], Awaitable[Any]]

    async def results(self, count: int) -> list[Any]:
        """What `count` calls at once bring; none of them may take longer than it is allowed to."""
        async with asyncio.timeout(DEADLINE_SECONDS + GRACE_SECONDS):
            return await asyncio.gather(
                *(self.call() for _ in range(count)), return_exceptions=True
            )

    async def expect_success(self, count: int) -> None:
        failures = [item for item in await self.results(count) if isinstance(item, Exception)]
        assert failures == []

    async def expect_unavailable(self, count: int) -> None:
        results = await self.results(count)
        assert [type(item) for item in results] == [HeadraceError] * count
        assert {item.reason for item in results} == {Reason.DEPENDENCY_UNAVAILABLE}


@asynccontextmanager
async def _auth_database() -> AsyncIterator[Pool]:
    async with breakable_postgres() as server:
        await migrate(server.url, auth.MIGRATIONS, AUTH_SCHEMA)
        engine = create_engine(server.url, pool_size=SIZE, statement_seconds=DEADLINE_SECONDS)
        store = auth.PostgresStore(engine, timeout_seconds=DEADLINE_SECONDS, readers=SIZE)
        key_id = make_key(1).api_key_id
        yield Pool(server, lambda: store.principals.api_key(key_id))
        await store.close()
        await engine.dispose()


@asynccontextmanager
async def _auth_writes() -> AsyncIterator[Pool]:
    """Everything but the resolving of credentials, which has a pool of its own."""
    async with breakable_postgres() as server:
        await migrate(server.url, auth.MIGRATIONS, AUTH_SCHEMA)
        engine = create_engine(server.url, pool_size=SIZE, statement_seconds=DEADLINE_SECONDS)
        store = auth.PostgresStore(engine, timeout_seconds=DEADLINE_SECONDS)
        yield Pool(server, store.signing_keys.all)
        await engine.dispose()


@asynccontextmanager
async def _audit_database() -> AsyncIterator[Pool]:
    async with breakable_postgres() as server:
        await migrate(server.url, audit.MIGRATIONS, audit.SCHEMA)
        engine = create_engine(server.url, pool_size=SIZE, statement_seconds=DEADLINE_SECONDS)
        store = audit.PostgresEventStore(engine, timeout_seconds=DEADLINE_SECONDS)
        event = failed_login()
        yield Pool(server, lambda: store.add([event], datetime.now(UTC)))
        await engine.dispose()


@asynccontextmanager
async def _cache_redis() -> AsyncIterator[Pool]:
    async with breakable_redis() as server:
        store = RedisEntryStore(server.url, timeout_seconds=DEADLINE_SECONDS)
        yield Pool(server, lambda: store.get("cache:{a}:1"))
        await store.close()


@asynccontextmanager
async def _admission_redis() -> AsyncIterator[Pool]:
    async with breakable_redis() as server:
        limiter = RedisLimiter(server.url, timeout_seconds=DEADLINE_SECONDS)
        wanted = demand(Charge(REQUESTS, 0))
        yield Pool(server, lambda: limiter.admit(PRINCIPAL, wanted))
        await limiter.close()


@asynccontextmanager
async def _revocation_redis() -> AsyncIterator[Pool]:
    async with breakable_redis() as server:
        announcer = RedisRevocationAnnouncer(
            server.url, timeout_seconds=DEADLINE_SECONDS, maximum_connections=SIZE
        )
        yield Pool(server, lambda: announcer.announce("org_1", ["key_1", "user:1:1"]))
        await announcer.close()


POOLS = (
    _auth_database,
    _auth_writes,
    _audit_database,
    _cache_redis,
    _admission_redis,
    _revocation_redis,
)


@pytest.fixture(params=POOLS, ids=lambda make: make.__name__.strip("_"))
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """A pool whose connections are all open."""
    async with request.param() as pool:
        await pool.expect_success(SIZE)
        yield pool


async def test_no_call_after_a_restart_meets_a_stale_connection(pool: Pool) -> None:
    for _ in range(2):
        await pool.server.kill()
        await pool.expect_success(SIZE)


async def test_a_hung_server_holds_no_call_beyond_its_deadline_and_no_place(pool: Pool) -> None:
    with pool.server.frozen():
        for _ in range(2):
            await pool.expect_unavailable(3 * SIZE)
    await pool.expect_success(SIZE)
    await pool.expect_success(3 * SIZE)


async def test_callers_that_leave_a_hung_server_free_their_places(pool: Pool) -> None:
    with pool.server.frozen():
        calls = [asyncio.ensure_future(pool.call()) for _ in range(3 * SIZE)]
        done, _ = await asyncio.wait(calls, timeout=DEADLINE_SECONDS / 5)
        assert not done
        for call in calls:
            call.cancel()
        async with asyncio.timeout(GRACE_SECONDS):
            await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)
    await pool.expect_success(SIZE)
