"""The semaphore admits in order, and forgets whoever goes away."""

import asyncio
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.domain.semaphore import Hold, WeightedSemaphore

CAPACITY = 3


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def begin(semaphore: WeightedSemaphore, size: int) -> "asyncio.Task[Hold]":
    return asyncio.create_task(semaphore.acquire(size))


async def expect_whole(semaphore: WeightedSemaphore) -> None:
    """All places are free, and there is not one too many."""
    async with asyncio.timeout(1):
        everything = await semaphore.acquire(CAPACITY)
    other = begin(semaphore, 1)
    await settle()
    assert not other.done()
    everything.leave()
    (await other).leave()


async def test_it_admits_in_order_of_arrival() -> None:
    semaphore = WeightedSemaphore(1)
    order: list[int] = []

    async def work(number: int) -> None:
        with await semaphore.acquire():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_who_needs_little_does_not_overtake_who_needs_much() -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(2)
    large = begin(semaphore, 3)
    await settle()
    small = begin(semaphore, 1)
    await settle()
    assert not large.done()
    assert not small.done()
    hold.leave()
    (await large).leave()
    (await small).leave()
    await expect_whole(semaphore)


async def test_cancelling_the_first_who_waits_lets_the_next_one_in() -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(2)
    large = begin(semaphore, 3)
    await settle()
    small = begin(semaphore, 1)
    await settle()
    large.cancel()
    (await small).leave()
    hold.leave()
    await expect_whole(semaphore)


async def test_leaving_twice_counts_once() -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(2)
    hold.leave()
    hold.leave()
    hold.resize(1)
    await expect_whole(semaphore)


async def test_whoever_needs_less_now_lets_the_next_one_in() -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(3)
    waiting = begin(semaphore, 2)
    hold.resize(2)
    await settle()
    assert not waiting.done()
    hold.resize(1)
    (await waiting).leave()
    hold.leave()
    await expect_whole(semaphore)


async def test_whoever_needs_more_than_there_is_keeps_others_waiting() -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(1)
    hold.resize(5)
    waiting = begin(semaphore, 1)
    hold.resize(3)
    await settle()
    assert not waiting.done()
    hold.resize(2)
    (await waiting).leave()
    hold.leave()
    await expect_whole(semaphore)


async def test_a_turn_that_comes_with_the_cancellation_is_passed_on() -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(CAPACITY)
    first, second = (begin(semaphore, CAPACITY) for _ in range(2))
    await settle()
    hold.leave()
    first.cancel()
    (await second).leave()
    await expect_whole(semaphore)


STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "cancel", "resize", "leave", "settle"]), st.integers(0, 7)),
    max_size=40,
)


@given(STEPS)
def test_random_joins_cancels_and_departures_leave_nothing_behind(
    steps: list[tuple[str, int]],
) -> None:
    asyncio.run(_expect_nothing_left(steps))


async def _expect_nothing_left(steps: list[tuple[str, int]]) -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    tasks: deque[asyncio.Task[Hold]] = deque()
    for step, number in steps:
        if step == "join":
            tasks.append(begin(semaphore, number % CAPACITY + 1))
        elif step == "settle":
            await settle()
        elif tasks:
            task = tasks[number % len(tasks)]
            if step == "cancel":
                task.cancel()
            elif task.done() and not task.cancelled():
                hold = task.result()
                hold.resize(number) if step == "resize" else hold.leave()
    while tasks:
        await settle()
        task = tasks.popleft()
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result().leave()
    await expect_whole(semaphore)
