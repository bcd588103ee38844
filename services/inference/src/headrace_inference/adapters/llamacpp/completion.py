"""One blocking completion inside llama.cpp, run on a thread, read as an asynchronous stream."""

import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import Any

from headrace_inference.adapters.event_stream import End, EventStream
from headrace_inference.adapters.llamacpp.chunks import ChunkTranslator
from headrace_inference.adapters.mailbox import Mailbox
from headrace_inference.domain.events import Accepted, ChoiceFinished, Delta, EngineEvent

Chunk = Mapping[str, Any]
Complete = Callable[[Mapping[str, Any], Callable[[Chunk], bool]], object]
"""`xllamacpp.Server.handle_completions`: calls back per chunk, and ends early on True."""
URGENT = (Accepted, ChoiceFinished)
"""Events that nobody should wait for; in the beginning there is one more."""
FIRST = (*URGENT, Delta)


class Completion:
    """Starts at once; `on_unread`, told how many tokens of the prompt are still to be read, and
    `on_event` are called in the event loop, whether anybody reads or not.

    Through the mailbox its first token and its end go at once, and what lies between in company.

    It has a thread of its own, since the library blocks it until the last token, and a daemon one:
    a library that hangs must not keep the process from exiting.
    """

    def __init__(
        self,
        complete: Complete,
        body: Mapping[str, Any],
        translator: ChunkTranslator,
        mailbox: Mailbox,
        *,
        on_unread: Callable[[int], None],
        on_event: Callable[[], None],
    ) -> None:
        self._complete = complete
        self._body = body
        self._translator = translator
        self._mailbox = mailbox
        self._on_unread = on_unread
        self._on_event = on_event
        self._unread: int | None = None
        self._begun = False
        self._writing = False
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

    @property
    def unread(self) -> int | None:
        """Tokens of the prompt that are still to be read; None before it is told."""
        return self._unread

    async def stop(self, seconds: float) -> bool:
        """Have the thread end at its next chunk; False if it did not in `seconds`."""
        self._stopping.set()
        return await self._stream.until_ended(seconds)

    def _run(self) -> None:
        try:
            self._complete(self._body, self._on_chunk)
        except Exception as error:  # noqa: BLE001 - handed to the reader
            self._failure = error
        self._mailbox.post(self._end, at_once=True)

    def _on_chunk(self, chunk: Chunk) -> bool:
        if self._stopping.is_set():
            return True
        try:
            events = self._translator.feed(chunk)
        except Exception as error:  # noqa: BLE001 - the library would swallow it
            self._failure = error
            return True
        unread, urgent = self._translator.unread, URGENT if self._begun else FIRST
        at_once = unread != self._unread or any(isinstance(event, urgent) for event in events)
        self._begun = self._begun or any(isinstance(event, Delta) for event in events)
        self._unread = unread
        self._mailbox.post(partial(self._deliver, events, unread), at_once=at_once)
        return self._translator.finished

    def _deliver(self, events: list[EngineEvent], unread: int | None) -> None:
        self._on_event()
        if unread is not None:
            self._on_unread(unread)
        if unread == 0 and not self._writing:
            self._writing = True
            self._mailbox.enter()
        for event in events:
            self._stream.put(event)

    def _end(self) -> None:
        if self._writing:
            self._mailbox.leave()
        self._stream.put(End(self._failure))
