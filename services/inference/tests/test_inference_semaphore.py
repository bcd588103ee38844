"""The semaphore admits in order, and forgets whoever goes away."""

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.testing.tasks import settle
from headrace_inference.domain.semaphore import Hold, WeightedSemaphore

CAPACITY = 3


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


@pytest.mark.parametrize(
    ("held", "sizes", "wanted", "small"),
    [(3, (2,), 2, 1), (1, (5, 3), 1, 2)],  # the latter more than there are for a while
)
async def test_others_wait_until_a_holder_that_changes_its_size_needs_few_enough(
    held: int, sizes: tuple[int, ...], wanted: int, small: int
) -> None:
    semaphore = WeightedSemaphore(CAPACITY)
    hold = await semaphore.acquire(held)
    hold.resize(sizes[0])
    waiting = begin(semaphore, wanted)
    for size in sizes:
        hold.resize(size)
        await settle()
        assert not waiting.done()
    hold.resize(small)
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
