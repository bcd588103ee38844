"""What an engine's thread tells of one request, read as an asynchronous stream."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.deadline import Deadline
from headrace_inference.domain.events import EngineEvent, Working, merge_deltas


@dataclass(frozen=True, slots=True)
class End:
    """Nothing follows; `failure` is why, if something went wrong."""

    failure: Exception | None = None

    def tell(self) -> None:
        """Raise the failure, as one that callers may see."""
        if self.failure is None:
            return
        if isinstance(self.failure, HeadraceError):
            raise self.failure
        raise HeadraceError(Reason.ENGINE_FAILED, "the engine failed") from self.failure


Event = EngineEvent | End


class EventStream:
    """Touched in the event loop alone; what it holds is bounded by the request's `max_tokens`."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ended = asyncio.Event()
        self.stalled = False
        """Whether its reader has given it up for silence."""

    @property
    def ended(self) -> bool:
        """Whether the thread is done with the request."""
        return self._ended.is_set()

    def put(self, event: Event) -> None:
        """Pass an event on; that it still works only to a reader who has nothing else to read."""
        if isinstance(event, End):
            self._ended.set()
        elif isinstance(event, Working) and not self._events.empty():
            return
        self._events.put_nowait(event)

    async def events(self, stall_seconds: float) -> AsyncGenerator[EngineEvent, None]:
        """Events as they come, those that are ready together merged.

        Raises ENGINE_FAILED if none comes for `stall_seconds`, and what the engine failed with.
        """
        with Deadline(stall_seconds) as deadline:
            while True:
                ready = [await self._next(deadline)]
                while not self._events.empty():
                    ready.append(self._events.get_nowait())
                for event in merge_deltas(e for e in ready if not isinstance(e, End)):
                    yield event
                if isinstance(ready[-1], End):
                    ready[-1].tell()
                    return

    async def until_ended(self, seconds: float) -> bool:
        """Wait for the thread to be done; False if it takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _next(self, deadline: Deadline) -> Event:
        deadline.renew()
        try:
            return await deadline.wait(self._events.get)
        except TimeoutError as error:
            self.stalled = True
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine stalled") from error
