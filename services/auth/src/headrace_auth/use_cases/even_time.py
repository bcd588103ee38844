"""Hides how much work an answer took, where that would tell who has an account."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from headrace_common.clock import Clock

STEP_SECONDS = 0.25
"""Many times what the slower way takes; a loaded database may need several steps."""


class EvenTime:
    """Lets work take a whole number of steps, by a clock."""

    def __init__(
        self,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._step_seconds = step_seconds

    @asynccontextmanager
    async def whole_steps(self) -> AsyncIterator[None]:
        """Until the block has taken so long; one that raises is over at once."""
        started = self._clock.monotonic()
        yield
        await self._sleep(-(self._clock.monotonic() - started) % self._step_seconds)
