"""All of administration over a seeded store in memory."""

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.seeding import seed
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def world(clock: FakeClock) -> Administration:
    store = MemoryStore(clock)
    await seed(store, "hash")
    return Administration(store, clock)
