"""One blocking completion inside llama.cpp, run on a thread, read as an asynchronous stream."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

from headrace_inference.adapters.event_stream import End, EventStream
from headrace_inference.adapters.llamacpp.chunks import ChunkTranslator
from headrace_inference.domain.events import EngineEvent

Chunk = Mapping[str, Any]
Complete = Callable[[Mapping[str, Any], Callable[[Chunk], bool]], object]
"""`xllamacpp.Server.handle_completions`: calls back per chunk, and ends early on True."""


class Completion:
    """Starts at once; `on_first_token` and `on_event` are called in the event loop, whether anybody
    reads or not.

    It has a thread of its own, since the library blocks it until the last token, and a daemon one:
    a library that hangs must not keep the process from exiting.
    """

    def __init__(
        self,
        complete: Complete,
        body: Mapping[str, Any],
        translator: ChunkTranslator,
        *,
        on_first_token: Callable[[], None],
        on_event: Callable[[], None],
    ) -> None:
        self._complete = complete
        self._body = body
        self._translator = translator
        self._on_first_token = on_first_token
        self._on_event = on_event
        self._announced = False
        self._loop = asyncio.get_running_loop()
        self._stream = EventStream()
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        threading.Thread(target=self._run, name="llamacpp completion", daemon=True).start()

    def events(self, stall_seconds: float) -> AsyncGenerator[EngineEvent, None]:
        """What the library tells, as an EventStream has it."""
        return self._stream.events(stall_seconds)

    @property
    def stalled(self) -> bool:
        """Whether its reader has given it up for silence."""
        return self._stream.stalled

    async def stop(self, seconds: float) -> bool:
        """Have the thread end at its next chunk; False if it did not in `seconds`."""
        self._stopping.set()
        return await self._stream.until_ended(seconds)

    def _run(self) -> None:
        try:
            self._complete(self._body, self._on_chunk)
        except Exception as error:  # noqa: BLE001 - handed to the reader
            self._failure = error
        with suppress(RuntimeError):  # an engine that stalled may outlive the event loop
            self._loop.call_soon_threadsafe(self._stream.put, End(self._failure))

    def _on_chunk(self, chunk: Chunk) -> bool:
        if self._stopping.is_set():
            return True
        try:
            events = self._translator.feed(chunk)
        except Exception as error:  # noqa: BLE001 - the library would swallow it
            self._failure = error
            return True
        if self._translator.writing and not self._announced:
            self._announced = True
            self._loop.call_soon_threadsafe(self._on_first_token)
        for event in events:
            self._loop.call_soon_threadsafe(self._deliver, event)
        return self._translator.finished

    def _deliver(self, event: EngineEvent) -> None:
        self._on_event()
        self._stream.put(event)
