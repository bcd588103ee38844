"""A bound on many waits in a row, at the price of one timer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace_inference.domain.leaving import Leaving

T = TypeVar("T")


class Deadline(Leaving):
    """For the length of a `with` block, in which one task waits for one thing after another.

    `asyncio.timeout` around each wait does the same, and took a fifth of the work that this service
    does for a token.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds
        self._passed = False
        self._waiting: asyncio.Task[object] | None = None
        self._timer = self._loop.call_at(self._at, self._pass)

    def renew(self) -> None:
        """Begin anew with all the seconds, even if they had passed while nobody waited."""
        self._at = self._loop.time() + self._seconds
        if self._passed:
            self._passed = False
            self._timer = self._loop.call_at(self._at, self._pass)

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Await what `begin` returns; raises TimeoutError once the deadline has passed."""
        task = asyncio.current_task()
        if task is None or self._is_over():
            raise TimeoutError
        cancelling = task.cancelling()
        self._waiting = task
        try:
            return await begin()
        except asyncio.CancelledError:
            if self._is_over() and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def leave(self) -> None:
        self._timer.cancel()

    def _is_over(self) -> bool:
        return self._passed

    def _pass(self) -> None:
        if self._loop.time() < self._at:
            self._timer = self._loop.call_at(self._at, self._pass)
            return
        self._passed = True
        if self._waiting is not None:
            self._waiting.cancel()
