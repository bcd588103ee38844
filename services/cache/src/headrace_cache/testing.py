"""The suite that every EntryStore must pass; each adapter's test class inherits it."""

import asyncio

from headrace_cache.ports import EntryStore


class EntryStoreSuite:
    """Subclasses in test modules provide a fixture `store`."""

    async def test_what_was_put_is_got(self, store: EntryStore) -> None:
        await store.put("cache:{a}:1", b"\x00payload\xff", 60)
        assert await store.get("cache:{a}:1") == b"\x00payload\xff"

    async def test_an_unknown_name_is_a_miss(self, store: EntryStore) -> None:
        assert await store.get("cache:{a}:none") is None

    async def test_a_later_put_replaces(self, store: EntryStore) -> None:
        await store.put("cache:{a}:1", b"old", 60)
        await store.put("cache:{a}:1", b"new", 60)
        assert await store.get("cache:{a}:1") == b"new"

    async def test_names_do_not_meet(self, store: EntryStore) -> None:
        await store.put("cache:{a}:1", b"a", 60)
        assert await store.get("cache:{b}:1") is None

    async def test_ping_answers(self, store: EntryStore) -> None:
        [error] = await asyncio.gather(asyncio.wait_for(store.ping(), 5), return_exceptions=True)
        assert error is None
