"""The in-memory store passes the stores' suite and shows what it keeps."""

from dataclasses import replace

import pytest

from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.testing import NOW, EventStoreSuite, completion, failed_login


class TestMemoryEventStore(EventStoreSuite):
    @pytest.fixture
    def store(self) -> MemoryEventStore:
        return MemoryEventStore()


async def test_events_are_shown_in_the_order_of_their_arrival() -> None:
    store = MemoryEventStore()
    first, second = completion(), failed_login()
    await store.add([first], NOW)
    await store.add([second, first], NOW)
    assert store.events == (first, second)


async def test_of_several_events_with_one_id_the_first_stays() -> None:
    store, first = MemoryEventStore(), completion()
    others = [replace(first, operation=f"other {number}") for number in range(20)]
    assert await store.add([first, *others], NOW) == 1
    assert store.events == (first,)
