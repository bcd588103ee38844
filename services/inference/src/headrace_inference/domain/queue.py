"""A bounded first-in-first-out queue in front of a fixed number of places, such as prefill has."""

import asyncio
from collections import deque

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.leaving import Leaving

SMOOTHING = 0.2
MAXIMUM_HINT_SECONDS = 60.0


class Hold(Leaving):
    """Places that somebody holds; `leave` gives them back, once."""

    def __init__(self, queue: "BoundedQueue", size: int, since: float) -> None:
        self._queue: BoundedQueue | None = queue
        self._size = size
        self._since = since

    def resize(self, size: int) -> None:
        """Hold so many places from now on, even if there are not as many: others wait for them."""
        if self._queue is not None:
            self._queue.give_back(self._size - size)
            self._size = size

    def leave(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.release(self._size, self._since)


class BoundedQueue:
    """`capacity` places; whoever finds them taken waits, unless `waiting_limit` already do."""

    def __init__(self, capacity: int, waiting_limit: int, clock: Clock) -> None:
        self.capacity = capacity
        self.running = 0
        self._free = capacity
        self._waiting_limit = waiting_limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._clock = clock
        self._mean_seconds = 1.0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def require_room(self, size: int = 1) -> None:
        """Raise QUEUE_FULL if `enter` would; ask before doing work that only an answer is worth."""
        if self._must_wait(size) and self.waiting >= self._waiting_limit:
            raise self._full()

    async def enter(self, size: int = 1) -> Hold:
        """Wait for `size` places, at most `capacity`; raises QUEUE_FULL at once when too many wait.

        Being cancelled while waiting leaves no trace.
        """
        self.require_room(size)
        if self._must_wait(size):
            await self._wait(size)
        else:
            self._take(size)
        return Hold(self, size, self._clock.monotonic())

    def release(self, size: int, since: float) -> None:
        """Give places back that were taken at `since`; called by Hold."""
        held = self._clock.monotonic() - since
        self._mean_seconds += SMOOTHING * (held - self._mean_seconds)
        self._leave(size)

    def give_back(self, size: int) -> None:
        """Take places back, or hand out so many more if it is negative; called by Hold."""
        self._free += size
        self._admit()

    def _must_wait(self, size: int) -> bool:
        return bool(self._waiting) or self._free < size

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
                self._admit()
            else:
                self._leave(size)
            raise

    def _take(self, size: int) -> None:
        self._free -= size
        self.running += 1

    def _leave(self, size: int) -> None:
        self.running -= 1
        self.give_back(size)

    def _admit(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if size > self._free and not turn.cancelled():
                return
            self._waiting.popleft()
            if not turn.cancelled():
                self._take(size)
                turn.set_result(None)

    def _full(self) -> HeadraceError:
        seconds = self._mean_seconds * (self.waiting + 1) / self.capacity
        return HeadraceError(
            Reason.QUEUE_FULL,
            "the model's queue is full; try again later",
            retry_after_seconds=round(min(max(seconds, 1.0), MAXIMUM_HINT_SECONDS), 1),
        )
