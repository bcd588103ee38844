"""One request in the engine: what its caller in the event loop and the model's thread share."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.events import EngineEvent, Working, merge_deltas
from headrace_inference.domain.requests import GenerationRequest


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


class Run:
    """Created in the event loop, which alone touches its queue; that is bounded by `max_tokens`."""

    def __init__(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> None:
        self.request = request
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ended = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether the model's thread knows it no more."""
        return self._ended.is_set()

    def deliver(self, event: Event) -> None:
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
        while True:
            ready = [await self._next(stall_seconds)]
            while not self._events.empty():
                ready.append(self._events.get_nowait())
            for event in merge_deltas(e for e in ready if not isinstance(e, End)):
                yield event
            if isinstance(ready[-1], End):
                ready[-1].tell()
                return

    async def until_ended(self, seconds: float) -> bool:
        """Wait for the model's thread to be done with it; False if that takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _next(self, stall_seconds: float) -> Event:
        try:
            async with asyncio.timeout(stall_seconds):
                return await self._events.get()
        except TimeoutError as error:
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine stalled") from error
