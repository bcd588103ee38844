"""One blocking completion inside llama.cpp, run on a thread, read as an asynchronous stream."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.chunks import ChunkTranslator
from headrace_inference.domain.deadline import Deadline
from headrace_inference.domain.events import Delta, EngineEvent, merge_deltas

Chunk = Mapping[str, Any]
Complete = Callable[[Mapping[str, Any], Callable[[Chunk], bool]], object]
"""`xllamacpp.Server.handle_completions`: calls back per chunk, and ends early on True."""


@dataclass(frozen=True, slots=True)
class _End:
    failure: Exception | None

    def tell(self) -> None:
        if self.failure is None:
            return
        if isinstance(self.failure, HeadraceError):
            raise self.failure
        raise HeadraceError(Reason.ENGINE_FAILED, "the engine failed") from self.failure


class Completion:
    """Starts at once; `on_first_text` is called in the event loop, whether anybody reads or not.

    It has a thread of its own, since the library blocks it until the last token, and a daemon one:
    a library that hangs must not keep the process from exiting. What is queued between thread and
    reader is bounded by the request's own `max_tokens`.
    """

    def __init__(
        self,
        complete: Complete,
        body: Mapping[str, Any],
        translator: ChunkTranslator,
        *,
        on_first_text: Callable[[], None],
    ) -> None:
        self._complete = complete
        self._body = body
        self._translator = translator
        self._on_first_text: Callable[[], None] | None = on_first_text
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[EngineEvent | _End] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._stopping = threading.Event()
        self._stalled = False
        self._failure: Exception | None = None
        threading.Thread(target=self._run, name="llamacpp completion", daemon=True).start()

    async def events(self, stall_seconds: float) -> AsyncGenerator[EngineEvent, None]:
        """Events as they come, those that are ready together merged.

        Raises ENGINE_FAILED if none comes for `stall_seconds`, and what the engine failed with.
        """
        with Deadline(stall_seconds) as deadline:
            while True:
                ready = [await self._next(deadline)]
                while not self._events.empty():
                    ready.append(self._events.get_nowait())
                for event in merge_deltas(e for e in ready if not isinstance(e, _End)):
                    yield event
                if isinstance(ready[-1], _End):
                    ready[-1].tell()
                    return

    async def stop(self, seconds: float) -> bool:
        """Have the thread end at its next chunk; False if it stalled, or did not in `seconds`."""
        self._stopping.set()
        if self._stalled:
            return self._ended.is_set()
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _next(self, deadline: Deadline) -> "EngineEvent | _End":
        deadline.renew()
        try:
            return await deadline.wait(self._events.get)
        except TimeoutError as error:
            self._stalled = True
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine stalled") from error

    def _run(self) -> None:
        try:
            self._complete(self._body, self._on_chunk)
        except Exception as error:  # noqa: BLE001 - handed to the reader
            self._failure = error
        with suppress(RuntimeError):  # an engine that stalled may outlive the event loop
            self._loop.call_soon_threadsafe(self._end)

    def _on_chunk(self, chunk: Chunk) -> bool:
        if self._stopping.is_set():
            return True
        try:
            events = self._translator.feed(chunk)
        except Exception as error:  # noqa: BLE001 - the library would swallow it
            self._failure = error
            return True
        for event in events:
            self._loop.call_soon_threadsafe(self._deliver, event)
        return self._translator.finished

    def _deliver(self, event: EngineEvent) -> None:
        if self._on_first_text is not None and isinstance(event, Delta):
            self._on_first_text()
            self._on_first_text = None
        self._events.put_nowait(event)

    def _end(self) -> None:
        self._ended.set()
        self._events.put_nowait(_End(self._failure))
