"""Administration in PostgreSQL: what comes at once ends as if it came one after the other."""

from collections.abc import AsyncIterator

import pytest

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.administration_suite import AdministrationSuite
from headrace_auth.testing.seeding import seed
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def world(postgres_url: str) -> AsyncIterator[Administration]:
    await migrate(postgres_url, MIGRATIONS, tables.SCHEMA)
    engine = create_engine(postgres_url)
    store = PostgresStore(engine, timeout_seconds=5)
    await seed(store, "hash")
    yield Administration(store, FakeClock())
    await store.close()
    await engine.dispose()


class TestAdministrationInPostgres(AdministrationSuite):
    pass
