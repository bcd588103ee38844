"""A long prompt's chunks: one at a time, and none that nobody waits for."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.llamacpp.chunks import ChunkTranslator
from headrace_inference.adapters.llamacpp.completion import Completion
from headrace_inference.adapters.llamacpp.fed_completion import FedCompletion
from headrace_inference.adapters.mailbox import Mailbox
from headrace_inference.domain.events import (
    Accepted,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    Working,
)

SLOT = 5
END = [Delta(0, "a", 1), ChoiceFinished(0, FinishReason.STOP, 1)]


class Listener:
    """Reads chunks when it is told to, and remembers what it was asked and by how many at once."""

    def __init__(self, *, reads: bool = True, fails: bool = False) -> None:
        self.asked: list[tuple[int, dict[str, Any]]] = []
        self.reading = asyncio.Event()
        self.reading_on = asyncio.Event()
        self.fails = fails
        if reads:
            self.reading_on.set()

    async def read(self, tokens: tuple[int, ...], body: Mapping[str, Any]) -> int:
        self.asked.append((len(tokens), dict(body)))
        self.reading.set()
        await self.reading_on.wait()
        if self.fails:
            raise HeadraceError(Reason.ENGINE_FAILED, "as it was told")
        return SLOT


class Fed:
    """One whose completion says "a"."""

    def __init__(self, listener: Listener, length: int, cached: int = 0, **body: Any) -> None:
        self.bodies: list[Mapping[str, Any]] = []
        self.heard = 0
        self.work = FedCompletion(
            listener.read,
            tuple(range(length)),
            cached=cached,
            chunk_tokens=10,
            body=body,
            begin=self._begin,
            on_event=self._hear,
        )

    async def read(self, stall_seconds: float = 5.0) -> list[EngineEvent]:
        async with asyncio.timeout(10), aclosing(self.work.events(stall_seconds)) as events:
            return [event async for event in events]

    def _begin(self, body: Mapping[str, Any]) -> Completion:
        self.bodies.append(body)
        return Completion(
            lambda _, on_chunk: on_chunk(
                {
                    "choices": [
                        {"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}
                    ],
                    "timings": {"predicted_n": 1},
                    "prompt_progress": {"total": 25, "cache": 20, "processed": 25},
                }
            ),
            body,
            ChunkTranslator(1, (), None),
            Mailbox(0.0),
            on_unread=lambda _: None,
            on_event=lambda: None,
        )

    def _hear(self) -> None:
        self.heard += 1


@pytest.mark.parametrize(
    ("length", "cached", "ends"),
    [(11, 0, [10]), (20, 0, [10]), (21, 0, [10, 20]), (25, 3, [13, 23]), (23, 3, [13])],
)
async def test_all_but_the_last_chunk_is_read_before_the_completion(
    length: int, cached: int, ends: list[int]
) -> None:
    listener = Listener()
    fed = Fed(listener, length, cached, lora=["l"])
    assert await fed.read() == [Accepted(cached), *[Working()] * len(ends), *END]
    assert [end for end, _ in listener.asked] == ends
    assert fed.heard == len(ends)
    assert fed.bodies == [{"lora": ["l"], "id_slot": SLOT, "cache_prompt": True}]


async def test_each_chunk_goes_on_in_the_slot_of_the_first() -> None:
    listener = Listener()
    await Fed(listener, 25, id_slot=SLOT, cache_prompt=False).read()
    assert [body for _, body in listener.asked] == [
        {"id_slot": SLOT, "cache_prompt": False},
        {"id_slot": SLOT, "cache_prompt": True},
    ]


async def test_a_hang_up_waits_for_the_chunk_that_is_read_and_nothing_follows() -> None:
    listener = Listener(reads=False)
    fed = Fed(listener, 25)
    reading = asyncio.ensure_future(fed.read())
    await listener.reading.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not await fed.work.stop(0.0)
    listener.reading_on.set()
    assert await fed.work.stop(5.0)
    await settle()
    assert (len(listener.asked), fed.bodies) == (1, [])


@pytest.mark.parametrize("length", [15, 25])
async def test_one_that_is_stopped_while_it_is_read_ends_with_its_chunk(length: int) -> None:
    listener = Listener(reads=False)
    fed = Fed(listener, length)
    reading = asyncio.ensure_future(fed.read())
    await listener.reading.wait()
    stopping = asyncio.ensure_future(fed.work.stop(5.0))
    await settle()
    listener.reading_on.set()
    assert await stopping
    assert await reading == [Accepted(0), Working()]
    assert (len(listener.asked), fed.bodies) == (1, [])


async def test_one_that_is_stopped_before_it_is_read_reads_nothing() -> None:
    listener = Listener()
    fed = Fed(listener, 25)
    assert await fed.work.stop(0.0)
    assert await fed.read() == [Accepted(0)]
    assert (listener.asked, fed.bodies) == ([], [])


async def test_one_that_has_not_begun_is_stopped_at_once() -> None:
    assert await Fed(Listener(), 25).work.stop(0.0)


async def test_a_chunk_that_takes_too_long_is_a_stall() -> None:
    listener = Listener(reads=False)
    fed = Fed(listener, 25)
    with pytest.raises(HeadraceError, match="the engine stalled") as caught:
        await fed.read(stall_seconds=0.01)
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert fed.work.stalled
    assert not await fed.work.stop(0.0)
    listener.reading_on.set()
    assert await fed.work.stop(5.0)


async def test_a_chunk_that_fails_ends_it() -> None:
    fed = Fed(Listener(fails=True), 25)
    with pytest.raises(HeadraceError, match="as it was told"):
        await fed.read()
    assert not fed.work.stalled
    assert await fed.work.stop(0.0)
    assert fed.bodies == []
