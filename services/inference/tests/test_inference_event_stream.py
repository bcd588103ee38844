"""What an engine's thread tells reaches its reader: merged, within bounds, and to the end."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.event_stream import End, EventStream
from headrace_inference.domain.events import Accepted, Delta, EngineEvent, Working

SHORT = 0.02


async def read(events: AsyncGenerator[EngineEvent, None]) -> list[EngineEvent]:
    return [event async for event in events]


async def test_events_that_are_ready_together_come_merged_until_the_end() -> None:
    stream = EventStream()
    for event in (Accepted(), Delta(0, "a", 1), Delta(0, "b", 1), End()):
        stream.put(event)
    assert await read(stream.events(5)) == [Accepted(), Delta(0, "ab", 2)]
    assert stream.ended


async def test_signs_of_life_do_not_pile_up() -> None:
    stream = EventStream()
    for event in (Working(), Working(), Delta(0, "a", 1), Working(), End()):
        stream.put(event)
    assert await read(stream.events(5)) == [Working(), Delta(0, "a", 1)]


async def test_a_failure_is_told_without_its_text_after_what_came_before() -> None:
    stream = EventStream()
    stream.put(Accepted())
    stream.put(End(RuntimeError("canary")))
    events = stream.events(5)
    assert await anext(events) == Accepted()
    with pytest.raises(HeadraceError, match="the engine failed") as caught:
        await anext(events)
    assert caught.value.reason is Reason.ENGINE_FAILED


async def test_one_that_stalled_says_so_and_may_end_later() -> None:
    stream = EventStream()
    with pytest.raises(HeadraceError, match="stalled"):
        await read(stream.events(SHORT))
    assert stream.stalled
    assert not await stream.until_ended(0)
    stream.put(End())
    assert await stream.until_ended(0)


async def test_a_reader_that_pauses_does_not_make_the_engine_stall() -> None:
    stream = EventStream()
    stream.put(Accepted())
    events = stream.events(SHORT)
    assert await anext(events) == Accepted()
    paused = asyncio.Event()
    asyncio.get_running_loop().call_later(3 * SHORT, paused.set)
    await paused.wait()
    stream.put(Delta(0, "a", 1))
    stream.put(End())
    assert await read(events) == [Delta(0, "a", 1)]


async def test_the_end_is_waited_for_only_so_long() -> None:
    stream = EventStream()
    assert not await stream.until_ended(SHORT)
    asyncio.get_running_loop().call_later(SHORT, stream.put, End())
    assert await stream.until_ended(5)
