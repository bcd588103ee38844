"""One timer bounds many waits, and is not mistaken for a cancellation from outside."""

import asyncio

import pytest

from headrace_inference.domain.deadline import Deadline

SHORT = 0.02


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_is_there_is_returned_as_often_as_one_waits() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    with Deadline(60) as deadline:
        for number in range(3):
            queue.put_nowait(number)
            assert await deadline.wait(queue.get) == number


async def test_a_wait_ends_when_the_deadline_passes_and_so_does_each_later_one() -> None:
    with Deadline(SHORT) as deadline:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await deadline.wait(forever)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_deadline_that_passes_between_waits_cancels_nothing() -> None:
    passed = asyncio.Event()
    with Deadline(SHORT) as deadline:
        asyncio.get_running_loop().call_later(2 * SHORT, passed.set)
        await passed.wait()
        with pytest.raises(TimeoutError):
            await deadline.wait(forever)


async def test_renewed_it_counts_from_then() -> None:
    loop = asyncio.get_running_loop()
    with Deadline(4 * SHORT) as deadline:
        begun = loop.time()
        sometimes = asyncio.Event()
        loop.call_later(2 * SHORT, sometimes.set)
        await deadline.wait(sometimes.wait)
        deadline.renew()
        with pytest.raises(TimeoutError):
            await deadline.wait(forever)
    assert loop.time() - begun >= 6 * SHORT


async def test_renewed_after_it_has_passed_it_counts_again() -> None:
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()
    with Deadline(SHORT) as deadline:
        loop.call_later(2 * SHORT, passed.set)
        await passed.wait()
        deadline.renew()
        assert await deadline.wait(passed.wait)
        with pytest.raises(TimeoutError):
            await deadline.wait(forever)


async def test_a_cancellation_from_outside_stays_one() -> None:
    waiting = asyncio.Event()

    async def wait() -> None:
        with Deadline(60) as deadline:
            waiting.set()
            await deadline.wait(forever)

    task = asyncio.ensure_future(wait())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_left_it_passes_no_more() -> None:
    with Deadline(SHORT):
        pass
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * SHORT, later.set)
    assert await later.wait()
