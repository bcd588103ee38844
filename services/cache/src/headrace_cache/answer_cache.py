"""The service's two use cases: look up and store."""

import asyncio
from collections.abc import Sequence

from headrace_cache.domain.entries import (
    CacheKey,
    EntryRules,
    check_key,
    check_keys,
    storage_name,
)
from headrace_cache.ports import EntryStore


class AnswerCache:
    """Exact-match cache over a store that may forget at any time."""

    def __init__(self, store: EntryStore, rules: EntryRules) -> None:
        self._store = store
        self._rules = rules

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[bytes | None]:
        """For each key the payload stored under it, or None."""
        check_keys(keys)
        if len(keys) == 1:
            return [await self._store.get(storage_name(keys[0]))]
        return await asyncio.gather(*(self._store.get(storage_name(key)) for key in keys))

    async def store(self, key: CacheKey, payload: bytes, wanted_seconds: float | None) -> None:
        """Keep `payload` under `key`, replacing what was there."""
        check_key(key)
        self._rules.check_payload(payload)
        seconds = self._rules.time_to_live(wanted_seconds)
        await self._store.put(storage_name(key), payload, seconds)
