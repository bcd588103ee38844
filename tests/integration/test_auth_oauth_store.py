"""The authorization server's ports over PostgreSQL pass the suites of those in memory."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.testing.oauth_suites import (
    AuthorizationCodesSuite,
    OAuthClientsSuite,
    TokensSuite,
)
from headrace_auth.testing.oauth_world import OAuthWorld, stored_world
from headrace_auth.testing.seeding import seed
from headrace_common.postgres import create_engine, migrate
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    await migrate(postgres_url, MIGRATIONS, tables.SCHEMA)
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


class TestPostgresOAuth(OAuthClientsSuite, AuthorizationCodesSuite, TokensSuite):
    @pytest.fixture
    async def world(self, engine: AsyncEngine) -> AsyncIterator[OAuthWorld]:
        store = PostgresStore(engine, timeout_seconds=5)
        await seed(store, "hash")
        yield await stored_world(store, FakeClock())
        await store.close()
