"""The only place where the event loop and Authlib's synchronous server meet.

A call runs in one of a few threads, never on the loop. From there it awaits our asynchronous ports
on the loop, each for a bounded time. Only so many calls run or wait; the next one is refused.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from headrace_auth.domain.refusals import too_many_oauth_requests
from headrace_common.bounded_threads import BoundedThreads
from headrace_common.errors import HeadraceError, Reason

T = TypeVar("T")


class Bridge:
    """Belongs to the loop that runs while it is made; close it when done."""

    def __init__(self, *, threads: int, maximum_pending: int, port_seconds: float) -> None:
        """`port_seconds` bounds each single wait for a port."""
        self._loop = asyncio.get_running_loop()
        self._threads = BoundedThreads(
            "oauth",
            threads=threads,
            maximum_pending=maximum_pending,
            refusal=too_many_oauth_requests,
        )
        self._port_seconds = port_seconds

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; raises HeadraceError (QUEUE_FULL) beyond the bound."""
        return await self._threads.run(work)

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """From within `work`: what `call` returns or raises, run on the loop.

        Raises HeadraceError (DEPENDENCY_UNAVAILABLE) if it takes too long.
        """
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result(self._port_seconds)
        except TimeoutError as error:
            future.cancel()
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE,
                "the authorization server's store does not answer",
                retry_after_seconds=1,
            ) from error

    async def close(self) -> None:
        """Forget what waits; what runs ends by itself."""
        await self._threads.close()
