"""The in-memory store passes the stores' suite, forgets on time and stays bounded."""

import pytest

from headrace_cache.adapters.memory import MemoryEntryStore
from headrace_cache.testing import EntryStoreSuite
from headrace_common.testing.clock import FakeClock


class TestMemoryEntryStore(EntryStoreSuite):
    @pytest.fixture
    def store(self) -> MemoryEntryStore:
        return MemoryEntryStore(FakeClock())


async def test_entries_expire_when_their_time_is_over() -> None:
    clock = FakeClock()
    store = MemoryEntryStore(clock)
    await store.put("name", b"x", 60)
    clock.advance(59)
    assert await store.get("name") == b"x"
    clock.advance(1)
    assert await store.get("name") is None


async def test_the_least_recently_used_entry_makes_room() -> None:
    store = MemoryEntryStore(FakeClock(), maximum_entries=2)
    await store.put("a", b"a", 60)
    await store.put("b", b"b", 60)
    await store.get("a")
    await store.put("c", b"c", 60)
    assert await store.get("b") is None
    assert await store.get("a") == b"a"
