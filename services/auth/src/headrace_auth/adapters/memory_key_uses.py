"""Uses of keys in this process's memory, for tests and trials."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime

from headrace_auth.domain.api_keys import ApiKey, ApiKeyUse
from headrace_auth.ports import BATCHES_KEPT, Records, Transaction
from headrace_common.clock import Clock


class MemoryKeyUses:
    """KeyUses over the records of a store."""

    def __init__(
        self, begin: Callable[[], AbstractAsyncContextManager[Transaction]], clock: Clock
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._batches: dict[str, datetime] = {}

    async def add(self, batch_id: str, uses: Sequence[ApiKeyUse]) -> bool:
        async with self._begin() as transaction:
            now = self._clock.now()
            recent = {each: at for each, at in self._batches.items() if now - at <= BATCHES_KEPT}
            self._batches = {batch_id: now, **recent}
            if batch_id in recent:
                return False
            keys, known = transaction.of(ApiKey), transaction.of(ApiKeyUse)
            for use in uses:
                if await keys.get(use.api_key_id):
                    await _add(known, use)
            return True


async def _add(known: Records[ApiKeyUse], use: ApiKeyUse) -> None:
    before = await known.get(use.api_key_id)
    if before is None:
        await known.add(use)
        return
    total = replace(
        before,
        last_used_at=max(before.last_used_at, use.last_used_at),
        use_count=before.use_count + use.use_count,
    )
    await known.put(total)
