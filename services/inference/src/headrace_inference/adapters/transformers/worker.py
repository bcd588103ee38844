"""The thread that owns a model: it alone calls it, so that the event loop never waits for it."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from headrace_inference.adapters.event_stream import End
from headrace_inference.adapters.transformers.job import Job, Told


class Batching(Protocol):
    """What runs requests together, called from one thread."""

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""

    def join(self, job: Job) -> None:
        """Take a request in."""

    def leave(self, job: Job) -> None:
        """Drop a request, which may be gone already."""

    def leave_all(self) -> list[Job]:
        """Drop all requests; those that were there."""

    def close(self) -> None:
        """Let go of what runs; all requests have left."""

    def step(self) -> Told:
        """Go on by one token or chunk; what there is to tell."""


class Model(Protocol):
    """What the thread holds; one that has no batch is only called by `do`."""

    @property
    def batch(self) -> Batching | None:
        """Runs requests."""


M = TypeVar("M", bound=Model)
T = TypeVar("T")


class Worker:
    """Started by `load`. A daemon thread: one that hangs must not keep the process from exiting.

    Its queue holds a joining and a leaving of each request at most, and its callers bound these.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._orders: queue.SimpleQueue[Callable[[Model], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._finished = 0
        """Orders and steps that the thread is done with."""

    async def load(self, load: Callable[[], M]) -> M:
        """Make the model in the thread, and raise what that raises."""
        loaded: asyncio.Future[M] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(load, loaded), name="transformers", daemon=True
        )
        self._thread.start()
        return await loaded

    def join(self, job: Job) -> None:
        """Take a request in before the next step."""
        self._orders.put(lambda model: _batch(model).join(job))

    def leave(self, job: Job) -> None:
        """Drop a request before the next step, and end it."""

        def drop(model: Model) -> None:
            _batch(model).leave(job)
            self._tell([(job, End())])

        self._orders.put(drop)

    async def do(self, work: Callable[[], T], silence_seconds: float) -> T:
        """Do something else in the thread, and raise what that raises.

        Raises TimeoutError if the thread finishes nothing at all for so long. Being cancelled drops
        it unless it has begun.
        """
        done: asyncio.Future[T] = self._loop.create_future()

        def settle(_model: Model) -> None:
            if not done.cancelled():
                self._settle(done, work)

        self._orders.put(settle)
        try:
            while not done.done():
                finished = self._finished
                await asyncio.wait({done}, timeout=silence_seconds)
                if not done.done() and self._finished == finished:
                    raise TimeoutError
        finally:
            done.cancel()
        return done.result()

    async def stop(self, seconds: float) -> bool:
        """End the thread and every request; False if it does not in this time."""
        self._orders.put(None)
        if self._thread is None:
            return True
        # joined: torch aborts the process if it exits while a thread lets go of a model
        await asyncio.to_thread(self._thread.join, seconds)
        return not self._thread.is_alive()

    def _run(self, load: Callable[[], M], loaded: "asyncio.Future[M]") -> None:
        model = self._settle(loaded, load)
        if model is not None:
            self._work(model)

    def _work(self, model: Model) -> None:
        batch = model.batch
        while True:
            while batch is None or not (batch.busy and self._orders.empty()):
                order = self._orders.get()
                if order is None:
                    if batch is not None:
                        self._tell([(job, End()) for job in batch.leave_all()])
                        batch.close()
                    return
                order(model)
                self._finished += 1
            try:
                told = batch.step()
            except Exception as error:  # noqa: BLE001 - handed to those that it hit
                told = [(job, End(error)) for job in batch.leave_all()]
            self._finished += 1
            self._tell(told)

    def _settle(self, future: "asyncio.Future[T]", work: Callable[[], T]) -> T | None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for it
            self._call(_unless_cancelled, future, future.set_exception, error)
            return None
        self._call(_unless_cancelled, future, future.set_result, result)
        return result

    def _tell(self, told: Told) -> None:
        self._call(_deliver, told)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # an engine that stalled may outlive the event loop
            self._loop.call_soon_threadsafe(function, *arguments)


def _batch(model: Model) -> Batching:
    if model.batch is None:
        raise TypeError("this model does not generate")
    return model.batch


def _deliver(told: Told) -> None:
    for job, event in told:
        job.stream.put(event)


def _unless_cancelled(
    future: "asyncio.Future[Any]", settle: Callable[[Any], None], value: object
) -> None:
    if not future.cancelled():
        settle(value)
