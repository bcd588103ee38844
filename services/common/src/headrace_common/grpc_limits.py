"""Counts the calls that a gRPC server runs: bounds them, and at shutdown lets them end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from headrace_common.errors import HeadraceError, Reason

MAXIMUM_IDLE = 32
"""Open streams that no credential is asked for."""


class RunningCalls:
    """Lets in up to `maximum` calls at once, and none after `drain` was called.

    Methods that begin with one of `exempt` pass at any time and are not counted. gRPC's own bound
    and its own stop know no exemption: a server that is busy, or that drains for minutes, would
    fail its liveness probe and be killed.

    Methods that begin with one of `idle` are streams that a stranger may leave open for ever, and
    that hold up nothing: of them MAXIMUM_IDLE are let in, at any time.
    """

    def __init__(
        self, maximum: int, *, exempt: tuple[str, ...], idle: tuple[str, ...] = ()
    ) -> None:
        self._maximum = maximum
        self._exempt = exempt
        self._idle = idle
        self._idling = 0
        self._running = 0
        self._draining = False
        self._none_runs = asyncio.Event()
        self._none_runs.set()

    @asynccontextmanager
    async def around(self, method: str, _context: Any) -> AsyncIterator[None]:
        """Count one call; raises HeadraceError (QUEUE_FULL, NOT_SERVING) instead of letting it in.

        An Around, see `grpc_interceptors`.
        """
        if method.startswith(self._exempt):
            yield
            return
        if method.startswith(self._idle):
            with self._place_for_an_idle_one():
                yield
            return
        self._require_room()
        self._running += 1
        self._none_runs.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._none_runs.set()

    async def drain(self, seconds: float) -> None:
        """Let nobody in any more; returns once no call runs, or when `seconds` are over."""
        self._draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none_runs.wait()

    @contextmanager
    def _place_for_an_idle_one(self) -> Iterator[None]:
        if self._idling >= MAXIMUM_IDLE:
            raise _full("The service has too many health Watches and reflections open.")
        self._idling += 1
        try:
            yield
        finally:
            self._idling -= 1

    def _require_room(self) -> None:
        if self._draining:
            raise shutting_down()
        if self._running >= self._maximum:
            raise _full("The service has too many calls in flight.")


def _full(message: str) -> HeadraceError:
    return HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=1)


def shutting_down() -> HeadraceError:
    """What a new call hears from a server that drains."""
    message = "The service is shutting down."
    return HeadraceError(Reason.NOT_SERVING, message, retry_after_seconds=1)
