"""A completion whose long prompt is read a chunk a call, so that a hang-up ends it soon."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.completion import Completion
from headrace_inference.domain.events import Accepted, EngineEvent, Working

Read = Callable[[tuple[int, ...], Mapping[str, Any]], Coroutine[Any, Any, int]]
"""Reads a prompt's beginning where a completion's body says; see `LlamaCppHttp.read`."""


class FedCompletion:
    """Has all of a prompt but its last chunk read first, then begins the completion.

    llama.cpp begins the next chunk of a prompt before anybody can tell it to stop, so it is given
    one at a time. Between two chunks the slot is free in its eyes: the caller lets nobody else
    begin until the completion has told what is unread.
    """

    def __init__(
        self,
        read: Read,
        tokens: tuple[int, ...],
        *,
        cached: int,
        chunk_tokens: int,
        body: Mapping[str, Any],
        begin: Callable[[Mapping[str, Any]], Completion],
        on_event: Callable[[], None],
    ) -> None:
        """The completion is that of `body`; the slot that this names, if it names one, has read
        `cached` of the tokens. `on_event` is called after each chunk."""
        self._read = read
        self._tokens = tokens
        self._cached = cached
        self._chunk_tokens = chunk_tokens
        self._body = body
        self._begin = begin
        self._on_event = on_event
        self._chunk: asyncio.Task[int] | None = None
        self._chunk_stalled = False
        self._stopping = False
        self._unread: int | None = None
        self._completion: Completion | None = None

    async def events(self, stall_seconds: float) -> AsyncGenerator[EngineEvent, None]:
        """Accepted, Working after each chunk, and what the completion tells.

        Raises ENGINE_FAILED if a chunk fails or takes `stall_seconds`, and what that raises.
        """
        yield Accepted(self._cached)
        body = self._body
        ends = range(self._cached + self._chunk_tokens, len(self._tokens), self._chunk_tokens)
        for end in ends:
            if self._stopping:
                return
            slot = await self._read_chunk(self._tokens[:end], body, stall_seconds)
            body = {**body, "id_slot": slot, "cache_prompt": True}
            self._unread = len(self._tokens) - end
            self._on_event()
            yield Working()
        if self._stopping:
            return
        self._completion = self._begin(body)
        async with aclosing(self._completion.events(stall_seconds)) as events:
            async for event in events:
                if not isinstance(event, Accepted):
                    yield event

    @property
    def stalled(self) -> bool:
        """Whether its reader has given it up for silence."""
        return self._completion.stalled if self._completion else self._chunk_stalled

    @property
    def unread(self) -> int | None:
        """Tokens of the prompt that are still to be read; None before it is told."""
        return self._completion.unread if self._completion else self._unread

    async def stop(self, seconds: float) -> bool:
        """Have nothing follow the chunk or step that runs; False if that took longer."""
        self._stopping = True
        if self._completion:
            return await self._completion.stop(seconds)
        if self._chunk:
            await asyncio.wait({self._chunk}, timeout=seconds)
        return self._chunk is None or self._chunk.done()

    async def _read_chunk(
        self, tokens: tuple[int, ...], body: Mapping[str, Any], stall_seconds: float
    ) -> int:
        self._chunk = asyncio.create_task(self._read(tokens, body))
        self._chunk.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({self._chunk}, timeout=stall_seconds)
        if not done:
            self._chunk_stalled = True
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine stalled")
        return self._chunk.result()


def _retrieve(chunk: asyncio.Task[int]) -> None:
    if not chunk.cancelled():
        chunk.exception()  # who waited for it has been told, or has left
