"""Threads take so many calls and refuse the next; a call that nobody waits for still counts."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator

import pytest

from headrace_common.bounded_threads import BoundedThreads


class FullError(Exception):
    """What is raised beyond the bound."""


@pytest.fixture
async def threads() -> AsyncIterator[BoundedThreads]:
    threads = BoundedThreads("test", threads=1, maximum_pending=2, refusal=FullError)
    yield threads
    await threads.close()


async def test_beyond_those_that_run_and_wait_calls_are_refused(threads: BoundedThreads) -> None:
    gate = threading.Event()
    pending = [asyncio.create_task(threads.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(FullError):
        await threads.run(gate.wait)
    gate.set()
    assert await asyncio.gather(*pending) == [True, True]
    assert await threads.run(gate.wait)


async def test_a_cancelled_call_counts_until_its_thread_is_done(threads: BoundedThreads) -> None:
    gate, begun = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return gate.wait()

    calls = [asyncio.create_task(threads.run(work)) for _ in range(2)]
    await asyncio.to_thread(begun.wait, 5)
    calls[0].cancel()
    await asyncio.wait(calls[:1])
    with pytest.raises(FullError):
        await threads.run(gate.wait)
    gate.set()
    assert await calls[1]


async def test_work_sees_the_context_of_its_caller(threads: BoundedThreads) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("caller")
    assert await threads.run(name.get) == "caller"
