"""Work off the event loop, in a few threads and never more than a bound at once."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BoundedThreads:
    """Calls beyond those that run and wait are refused at once; close it when done."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        maximum_pending: int,
        refusal: Callable[[], Exception],
        initializer: Callable[[], None] | None = None,
    ) -> None:
        """`refusal` makes what is raised beyond the bound; `initializer` begins each thread."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=initializer)
        self._pending = threading.BoundedSemaphore(maximum_pending)
        self._refusal = refusal

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises."""
        if not self._pending.acquire(blocking=False):
            raise self._refusal()
        # With the caller's context, so that log lines keep their request id.
        future = self._pool.submit(contextvars.copy_context().run, work)
        # Not in a finally: a cancelled call's thread still works, and must still count.
        future.add_done_callback(lambda _: self._pending.release())
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Forget what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
