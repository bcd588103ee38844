"""What threads tell, brought into the event loop in few deliveries."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

Message = Callable[[], object]


class Mailbox:
    """Delivers what comes within `seconds` together, in order.

    On a machine whose cores all compute, each time that the loop wakes and each small message that
    goes out makes the computation wait: one delivery of many costs hardly more than one of one.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._messages: deque[Message] = deque()
        self._due = False

    def post(self, message: Message, *, at_once: bool) -> None:
        """From any thread: call it in the loop, `at_once` with all that waits. Never blocks."""
        self._messages.append(message)
        if at_once:
            self._call(self._deliver)
        elif not self._due:
            self._due = True
            self._call(self._wait)

    def _wait(self) -> None:
        self._loop.call_later(self._seconds, self._deliver_due)

    def _deliver_due(self) -> None:
        self._due = False  # first, so that what comes while it delivers is never left behind
        self._deliver()

    def _deliver(self) -> None:
        while self._messages:
            self._messages.popleft()()

    def _call(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # an engine that stalled may outlive the event loop
            self._loop.call_soon_threadsafe(function)
