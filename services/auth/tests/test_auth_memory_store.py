"""The in-memory store passes the stores' suite."""

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.testing.seeding import seed_memory
from headrace_auth.testing.suites import ApiKeysSuite, SigningKeysSuite, UsersSuite


class TestMemoryStore(UsersSuite, ApiKeysSuite, SigningKeysSuite):
    @pytest.fixture
    def empty_store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def store(self, empty_store: MemoryStore) -> MemoryStore:
        seed_memory(empty_store, "hash")
        return empty_store
