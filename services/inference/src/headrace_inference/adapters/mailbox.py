"""What threads tell, brought into the event loop in few deliveries."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

Message = Callable[[], object]
PATIENCE_SECONDS = 0.1
"""Between two looks at whether something waits for a writer that has fallen silent."""


class Mailbox:
    """Delivers what several writers tell in turn together, `seconds` apart at least, in order.

    On a machine whose cores all compute, each time that the loop wakes and each small message that
    goes out makes the computation wait. When all writers have told something a step has just
    ended, and a core is free while one thread prepares the next.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._messages: deque[Message] = deque()
        self._writers = 0
        self._next = 0.0
        self._looking = False
        """Whether a look at it is to come."""

    def enter(self) -> None:
        """One more writes from now on; in the event loop."""
        self._writers += 1
        if not self._looking:
            self._looking = True
            self._loop.call_later(PATIENCE_SECONDS, self._look)

    def leave(self) -> None:
        """One of them writes no more; in the event loop."""
        self._writers -= 1

    def post(self, message: Message, *, at_once: bool) -> None:
        """From any thread: call it in the loop, `at_once` with all that waits. Never blocks."""
        self._messages.append(message)
        full = len(self._messages) >= self._writers and monotonic() >= self._next
        if at_once or full:
            self._next = monotonic() + self._seconds
            with suppress(RuntimeError):  # an engine that stalled may outlive the event loop
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        while self._messages:
            self._messages.popleft()()

    def _look(self) -> None:
        self._looking = self._writers > 0
        if self._looking:
            self._loop.call_later(PATIENCE_SECONDS, self._look)
        if monotonic() >= self._next:
            self._deliver()
