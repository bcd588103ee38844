"""How late this process's own event loop is: who is late itself cannot tell whether others are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from headrace_common.runtime import Runtime

Lateness = Callable[[], float]
"""Seconds by which callbacks ran late, at worst, of late."""

BEAT_SECONDS = 0.025
WINDOW_SECONDS = 0.5
ACCEPTABLE_SECONDS = 0.05
"""Up to which a process may judge by its own clock; of a short deadline, a quarter of that."""

PATIENCE = 20
"""So many times its deadline a call may take while this process itself is late.

If it is the other side that hangs, there is soon nothing left to be late with.
"""


def never_late() -> float:
    """For tests, whose clocks stand still."""
    return 0.0


class LoopLateness:
    """Looks at the clock again and again; remembers the worst of the last window or two."""

    def __init__(self) -> None:
        self._due = 0.0
        self._worst = self._worst_before = 0.0

    async def watch(self) -> None:
        """Runs until cancelled."""
        loop = asyncio.get_running_loop()
        window_ends = loop.time() + WINDOW_SECONDS
        while True:
            self._due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            now = loop.time()
            self._worst = max(self._worst, now - self._due)
            if now > window_ends:
                window_ends = now + WINDOW_SECONDS
                self._worst_before, self._worst = self._worst, 0.0

    def seconds(self) -> float:
        """That of the beat which is overdue now, too."""
        overdue = asyncio.get_running_loop().time() - self._due if self._due else 0.0
        return max(self._worst, self._worst_before, overdue)


def start_lateness(runtime: Runtime) -> Lateness:
    """That of this process, watched until the runtime stops."""
    loop = LoopLateness()
    runtime.start_task("lateness", loop.watch())
    return loop.seconds


@asynccontextmanager
async def patient_timeout(
    seconds: float, lateness: Lateness, *, patience: int = PATIENCE
) -> AsyncIterator[None]:
    """Give the block so long, or raise TimeoutError.

    If our own event loop is late when time is up, the answer may be there, unread: then it is
    waited for, up to `patience` times as long.
    """
    async with asyncio.timeout(seconds * patience) as limit:
        judge = _Judge(limit, seconds, lateness)
        try:
            yield
        finally:
            judge.dismiss()


class _Judge:
    """Ends a block whose time is up, unless that is not to be told."""

    def __init__(self, limit: asyncio.Timeout, seconds: float, lateness: Lateness) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._seconds = seconds
        self._lateness = lateness
        self._acceptable = min(ACCEPTABLE_SECONDS, seconds / 4)
        self._next = self._loop.call_later(seconds, self._decide)

    def dismiss(self) -> None:
        self._next.cancel()

    def _decide(self) -> None:
        if self._limit.expired():
            return
        if self._lateness() <= self._acceptable:
            self._limit.reschedule(self._loop.time())
        else:
            self._next = self._loop.call_later(self._seconds / 4, self._decide)
