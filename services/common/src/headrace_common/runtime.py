"""The life of a service process: start, run until told to stop, drain, close in reverse order."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from headrace_common.logs import get_logger

Step = Callable[[], Awaitable[None]]


class Runtime:
    """Owns a process's background tasks and the steps of its shutdown.

    A background task that ends with an error stops the whole process with exit code 1: a service
    that lost a part of itself must be restarted, not limp on.
    """

    def __init__(self, *, step_seconds: float, trunk: "Runtime | None" = None) -> None:
        """`trunk` is what this is a branch of: its end is the process's."""
        self._step_seconds = step_seconds
        self._trunk = trunk
        self._steps: list[tuple[str, Step]] = []
        self._stop = asyncio.Event()
        self._log = get_logger()
        self.failed = False

    def on_stop(self, name: str, step: Step) -> None:
        """Run `step` at shutdown; the last one added runs first, each with a deadline."""
        self._steps.append((name, step))

    def start_task(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background until it ends or the process stops."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._notice_end)

        async def cancel() -> None:
            task.cancel()
            await asyncio.wait([task])

        self.on_stop(name, cancel)

    def branches(self, name: str, count: int) -> "list[Runtime]":
        """So many parts of the process whose steps run at the same time, each part's own in order.

        For what drains: two parts that drained one after the other would take twice as long.
        """
        parts = [Runtime(step_seconds=self._step_seconds, trunk=self) for _ in range(count)]

        async def close() -> None:
            await asyncio.gather(*(part.close() for part in parts))
            self.failed |= any(part.failed for part in parts)

        self.on_stop(name, close)
        return parts

    def request_stop(self) -> None:
        self._stop.set()
        if self._trunk is not None:
            self._trunk.request_stop()

    async def until_stop(self) -> None:
        await self._stop.wait()

    async def close(self) -> None:
        """Run the shutdown steps; one that fails or hangs is logged and does not stop the rest."""
        while self._steps:
            name, step = self._steps.pop()
            try:
                async with asyncio.timeout(self._step_seconds):
                    await step()
            except Exception as error:  # noqa: BLE001 - the remaining steps must run
                self.failed = True
                self._log.error("shutdown_step_failed", step=name, exc_info=error)

    def _notice_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        self.failed = True
        self._log.error("background_task_died", task=task.get_name(), exc_info=task.exception())
        self.request_stop()


def run_service(start: Callable[[Runtime], Awaitable[None]], *, drain_seconds: float) -> None:
    """Run a service process until SIGTERM or SIGINT; exits with 1 if it failed.

    `start` builds everything, registers its shutdown steps as it goes, and returns once the service
    is ready. A signal that arrives during the start cancels it and closes what was built.
    """
    if uvloop.run(_run(start, drain_seconds)):
        raise SystemExit(1)


def _spare_the_collector_what_stays() -> None:
    """Else it looks through all modules every few seconds, and every request waits 60 ms."""
    gc.collect()
    gc.freeze()


async def _run(start: Callable[[Runtime], Awaitable[None]], drain_seconds: float) -> bool:
    runtime = Runtime(step_seconds=drain_seconds + 5)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.request_stop)
    log = get_logger()
    starting = asyncio.ensure_future(start(runtime))
    stopping = asyncio.ensure_future(runtime.until_stop())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])
        elif starting.exception() is None:
            _spare_the_collector_what_stays()
            log.info("ready")
            await stopping
        if not starting.cancelled() and (error := starting.exception()) is not None:
            runtime.failed = True
            log.error("start_failed", exc_info=error)
        log.info("stopping")
    finally:
        stopping.cancel()
        await runtime.close()
    log.info("stopped")
    return runtime.failed
