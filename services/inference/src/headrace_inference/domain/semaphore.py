"""A semaphore of which each holder has as many places as it needs, such as prefill's."""

import asyncio
from collections import deque

from headrace_inference.domain.leaving import Leaving


class Hold(Leaving):
    """Places that somebody holds; `leave` gives them back, once."""

    def __init__(self, semaphore: "WeightedSemaphore", size: int) -> None:
        self._semaphore: WeightedSemaphore | None = semaphore
        self._size = size

    def resize(self, size: int) -> None:
        """Hold so many places from now on, even if there are not as many: others wait for them."""
        if self._semaphore is not None:
            self._semaphore.release(self._size - size)
            self._size = size

    def leave(self) -> None:
        self.resize(0)
        self._semaphore = None


class WeightedSemaphore:
    """`capacity` places; whoever finds too few waits, first come first served.

    The caller bounds how many come.
    """

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size: int = 1) -> Hold:
        """Wait for `size` places, at most `capacity`; being cancelled meanwhile leaves no trace."""
        if self._waiting or self._free < size:
            await self._wait(size)
        else:
            self._free -= size
        return Hold(self, size)

    def release(self, size: int) -> None:
        """Take places back, or hand out so many more if it is negative; called by Hold."""
        self._free += size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if wanted > self._free and not turn.cancelled():
                return
            self._waiting.popleft()
            if not turn.cancelled():
                self._free -= wanted
                turn.set_result(None)

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = (size, turn)
        self._waiting.append(ticket)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                self.release(0)
            else:  # let in at the same moment
                self.release(size)
            raise
