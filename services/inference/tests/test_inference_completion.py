"""A completion's thread: what a library that fails, hangs or lies does to its reader."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.llamacpp.chunks import ChunkTranslator
from headrace_inference.adapters.llamacpp.completion import Completion
from headrace_inference.adapters.mailbox import Mailbox
from headrace_inference.domain.events import Accepted, ChoiceFinished, Delta, FinishReason, Working

OnChunk = Callable[[Mapping[str, Any]], bool]


def chunk(text: str, tokens: int, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "text": text, "finish_reason": finish, "logprobs": None}
    return {"choices": [choice], "timings": {"predicted_n": tokens}}


def completion(
    complete: Callable[[Any, OnChunk], object],
    *,
    stop: tuple[str, ...] = (),
    on_unread: Callable[[int], None] = lambda _: None,
    gather_seconds: float = 0.0,
) -> Completion:
    translator, mailbox = ChunkTranslator(1, stop, None), Mailbox(gather_seconds)
    return Completion(complete, {}, translator, mailbox, on_unread=on_unread, on_event=lambda: None)


def when_read(announced: asyncio.Event) -> Callable[[int], None]:
    """Sets the event when nothing of the prompt is unread."""
    return lambda unread: None if unread else announced.set()


async def read(work: Completion, stall_seconds: float = 5.0) -> list[Any]:
    return [event async for event in work.events(stall_seconds)]


async def test_tokens_that_are_ready_together_come_as_one() -> None:
    done = threading.Event()

    def complete(_: Any, on_chunk: OnChunk) -> None:
        for number, text in enumerate(("", "a", "b", "c")):
            on_chunk(chunk(text, number))
        on_chunk(chunk("", 4, "length"))
        done.set()

    work = completion(complete)
    await asyncio.to_thread(done.wait, 5)
    end = ChoiceFinished(0, FinishReason.LENGTH, 4)
    assert await read(work) == [Accepted(), Delta(0, "abc", 3), end]


async def test_the_first_token_is_announced_even_if_nobody_reads() -> None:
    announced = asyncio.Event()

    def complete(_: Any, on_chunk: OnChunk) -> None:
        on_chunk(chunk("a", 1, "stop"))

    work = completion(complete, on_unread=when_read(announced))
    async with asyncio.timeout(5):
        await announced.wait()
    assert await work.stop(5)


async def test_tokens_without_text_are_announced_and_accounted_for() -> None:
    announced = asyncio.Event()
    more = threading.Event()

    def complete(_: Any, on_chunk: OnChunk) -> None:
        on_chunk(chunk("", 0))
        on_chunk(chunk("", 1))
        more.wait(5)
        for number in range(2, 40):
            on_chunk(chunk("", number))
        on_chunk(chunk("x", 40))

    work = completion(complete, on_unread=when_read(announced))
    async with asyncio.timeout(5):
        await announced.wait()
    more.set()
    told = [event for event in await read(work) if isinstance(event, Delta)]
    assert "".join(delta.text for delta in told) == "x"
    assert sum(delta.tokens for delta in told) == 40


def test_a_hang_up_amid_tokens_without_text_leaves_few_uncounted() -> None:
    translator = ChunkTranslator(1, (), None)
    events = [event for number in range(48) for event in translator.feed(chunk("", number))]
    assert sum(event.tokens for event in events if isinstance(event, Delta)) == 32


def test_the_first_chunk_tells_how_much_of_the_prompt_was_read_before() -> None:
    progress = {"prompt_progress": {"total": 9, "cache": 7, "processed": 7}}
    assert ChunkTranslator(1, (), None).feed(chunk("", 0) | progress) == [Accepted(7)]
    assert ChunkTranslator(1, (), None).feed(chunk("", 0)) == [Accepted(0)]


async def test_the_first_token_goes_at_once_and_the_next_one_waits_for_company() -> None:
    heard, told, more = threading.Event(), threading.Event(), threading.Event()

    def complete(_: Any, on_chunk: OnChunk) -> None:
        on_chunk(chunk("", 0) | {"prompt_progress": {"total": 9, "processed": 9}})
        on_chunk(chunk("a", 1))
        heard.wait(5)
        on_chunk(chunk("b", 2))
        told.set()
        more.wait(5)
        on_chunk(chunk("c", 3, "stop"))

    events = completion(complete, gather_seconds=60).events(5)
    async with asyncio.timeout(5):
        assert [await anext(events), await anext(events)] == [Accepted(), Delta(0, "a", 1)]
        heard.set()
        await asyncio.to_thread(told.wait, 5)
        rest = asyncio.ensure_future(anext(events))
        await settle()
        assert not rest.done()
        more.set()
        assert await rest == Delta(0, "bc", 2)


async def test_a_stop_text_ends_the_librarys_work() -> None:
    answers: list[bool] = []

    def complete(_: Any, on_chunk: OnChunk) -> None:
        answers.extend(on_chunk(chunk(text, number)) for number, text in enumerate(("x E", "ND y")))

    events = await read(completion(complete, stop=("END",)))
    assert events[1:] == [Delta(0, "x ", 0), ChoiceFinished(0, FinishReason.STOP, 1)]
    assert answers == [False, True]


async def test_stopping_ends_the_thread_at_its_next_chunk() -> None:
    more = threading.Event()

    def complete(_: Any, on_chunk: OnChunk) -> None:
        while not on_chunk(chunk("a", 1)):
            more.wait(5)

    work = completion(complete)
    stopping = asyncio.ensure_future(work.stop(5))
    await settle()
    more.set()
    assert await stopping


@pytest.mark.parametrize("answer", [{"error": {"type": "server_error"}}, {"choices": [{}]}])
async def test_an_error_or_nonsense_from_the_library_fails_the_request(answer: Any) -> None:
    with pytest.raises(HeadraceError) as caught:
        await read(completion(lambda _, on_chunk: on_chunk(answer)))
    assert caught.value.reason is Reason.ENGINE_FAILED


async def test_what_the_library_raises_fails_the_request_without_its_text() -> None:
    def complete(_: Any, __: OnChunk) -> None:
        raise RuntimeError("canary")

    with pytest.raises(HeadraceError) as caught:
        await read(completion(complete))
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert "canary" not in caught.value.message


async def test_a_silent_library_is_a_failure_not_a_hang() -> None:
    release = threading.Event()
    work = completion(lambda _, __: release.wait(30))
    with pytest.raises(HeadraceError, match="stalled"):
        await read(work, stall_seconds=0.05)
    assert work.stalled
    assert not await work.stop(0)
    release.set()
    assert await work.stop(5)


def test_choices_are_followed_apart() -> None:
    translator = ChunkTranslator(2, ("#",), None)
    assert translator.feed(chunk("a#", 2, index=1))[1:] == [
        Delta(1, "a", 2),
        ChoiceFinished(1, FinishReason.STOP, 2),
    ]
    assert translator.feed(chunk("ignored", 3, index=1)) == [Working()]
    assert not translator.finished
    assert translator.feed(chunk("b", 1, "stop")) == [
        Delta(0, "b", 1),
        ChoiceFinished(0, FinishReason.STOP, 1),
    ]
    assert translator.finished
