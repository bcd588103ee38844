"""The exchanges that run: each can be stopped by us, and its caller hears why."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headrace_gateway.domain.exchange import Exchange


class RunningExchanges:
    """Each runs in a task of its own, which is cancelled when its caller hangs up."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[object], Exchange] = {}

    @asynccontextmanager
    async def run(self, exchange: Exchange) -> AsyncIterator[None]:
        """Raises what stopped the block, if we did: then it is no caller that went away."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("exchanges run in tasks")
        self._tasks[task] = exchange
        try:
            yield
        except asyncio.CancelledError:
            if exchange.stopped_by is None:
                raise
            task.uncancel()
            raise exchange.stopped_by from None
        finally:
            del self._tasks[task]

    def stop_all(self) -> None:
        """The process must end, and these took too long for it."""
        for task, exchange in self._tasks.items():
            exchange.run_out_of_time()
            task.cancel()
