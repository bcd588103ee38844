"""Accounts in PostgreSQL: what comes at once ends as if it came one after the other."""

from collections.abc import AsyncIterator

import pytest

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.testing.account_suite import AccountRacesSuite
from headrace_auth.testing.accounts import AccountWorld, account_world
from headrace_common.postgres import create_engine, migrate
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def world(postgres_url: str) -> AsyncIterator[AccountWorld]:
    await migrate(postgres_url, MIGRATIONS, tables.SCHEMA)
    engine = create_engine(postgres_url)
    store = PostgresStore(engine, timeout_seconds=5)
    async with account_world(store, FakeClock()) as world:
        yield world
    await store.close()
    await engine.dispose()


class TestAccountsInPostgres(AccountRacesSuite):
    pass
