"""The in-memory store passes the stores' suites."""

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.testing.allowance_suite import AllowancesSuite
from headrace_auth.testing.announcement_suite import AnnouncementsSuite
from headrace_auth.testing.seeding import seed
from headrace_auth.testing.suites import (
    PrincipalsSuite,
    RecordsSuite,
    SigningKeysSuite,
)
from headrace_common.testing.clock import FakeClock


class TestMemoryStore(
    RecordsSuite, PrincipalsSuite, AllowancesSuite, AnnouncementsSuite, SigningKeysSuite
):
    @pytest.fixture
    def empty_store(self, clock: FakeClock) -> MemoryStore:
        return MemoryStore(clock)

    @pytest.fixture
    async def store(self, empty_store: MemoryStore) -> MemoryStore:
        await seed(empty_store, "hash")
        return empty_store
