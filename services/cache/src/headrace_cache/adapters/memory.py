"""An EntryStore in this process's memory, for tests and single-process use."""

from cachetools import TLRUCache

from headrace_common.clock import Clock


class MemoryEntryStore:
    """Keeps at most `maximum_entries`, dropping the least recently used."""

    def __init__(self, clock: Clock, maximum_entries: int = 10_000) -> None:
        self._entries: TLRUCache[str, tuple[bytes, int]] = TLRUCache(
            maximum_entries, ttu=lambda _, entry, now: now + entry[1], timer=clock.monotonic
        )

    async def get(self, name: str) -> bytes | None:
        entry = self._entries.get(name)
        return entry[0] if entry else None

    async def put(self, name: str, payload: bytes, seconds: int) -> None:
        self._entries[name] = (payload, seconds)

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        self._entries.clear()
