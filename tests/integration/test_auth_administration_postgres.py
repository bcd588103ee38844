"""Administration in PostgreSQL: what comes at once ends as if it came one after the other."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.administration_suite import AdministrationSuite
from headrace_auth.testing.seeding import seed
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def world(auth_engine: AsyncEngine) -> AsyncIterator[Administration]:
    store = PostgresStore(auth_engine, timeout_seconds=5)
    await seed(store, "hash")
    yield Administration(store, FakeClock())
    await store.close()


class TestAdministrationInPostgres(AdministrationSuite):
    pass
