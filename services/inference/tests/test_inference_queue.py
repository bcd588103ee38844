"""The queue admits in order, refuses at once when full, and forgets whoever goes away."""

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_inference.domain.queue import BoundedQueue, Hold

CAPACITY, WAITING = 3, 2


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_it_admits_in_order_of_arrival() -> None:
    queue = BoundedQueue(1, 5, FakeClock())
    order: list[int] = []

    async def work(number: int) -> None:
        with await queue.enter():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_a_full_queue_refuses_at_once_with_a_hint() -> None:
    clock = FakeClock()
    queue = BoundedQueue(1, 0, clock)
    for _ in range(40):
        with await queue.enter():
            clock.advance(10)
    with await queue.enter(), pytest.raises(HeadraceError) as caught:
        await queue.enter()
    assert caught.value.reason is Reason.QUEUE_FULL
    assert caught.value.retry_after_seconds == pytest.approx(10, abs=0.5)


async def test_a_small_request_does_not_overtake_a_large_one() -> None:
    queue = BoundedQueue(3, 5, FakeClock())
    hold = await queue.enter(2)
    large = asyncio.ensure_future(queue.enter(3))
    await settle()
    small = asyncio.ensure_future(queue.enter(1))
    await settle()
    assert not large.done()
    assert not small.done()
    hold.leave()
    (await large).leave()
    (await small).leave()
    assert (queue.running, queue.waiting) == (0, 0)


async def test_cancelling_the_first_waiter_lets_the_next_one_in() -> None:
    queue = BoundedQueue(3, 5, FakeClock())
    hold = await queue.enter(2)
    large = asyncio.ensure_future(queue.enter(3))
    await settle()
    small = asyncio.ensure_future(queue.enter(1))
    await settle()
    large.cancel()
    (await small).leave()
    hold.leave()
    assert (queue.running, queue.waiting) == (0, 0)


async def test_leaving_twice_counts_once() -> None:
    queue = BoundedQueue(2, 0, FakeClock())
    hold = await queue.enter()
    hold.leave()
    hold.leave()
    assert queue.running == 0
    first, second = await queue.enter(), await queue.enter()
    with pytest.raises(HeadraceError):
        await queue.enter()
    first.leave()
    second.leave()


async def test_whoever_needs_less_now_lets_the_next_one_in() -> None:
    queue = BoundedQueue(3, 5, FakeClock())
    hold = await queue.enter(3)
    waiting = asyncio.ensure_future(queue.enter(2))
    hold.resize(2)
    await settle()
    assert not waiting.done()
    hold.resize(1)
    (await waiting).leave()
    hold.leave()
    hold.resize(3)
    (await queue.enter(3)).leave()
    assert (queue.running, queue.waiting) == (0, 0)


async def test_whoever_needs_more_than_there_is_keeps_others_waiting() -> None:
    queue = BoundedQueue(3, 5, FakeClock())
    hold = await queue.enter(1)
    hold.resize(5)
    waiting = asyncio.ensure_future(queue.enter(1))
    hold.resize(3)
    await settle()
    assert not waiting.done()
    hold.resize(2)
    (await waiting).leave()
    hold.leave()
    (await queue.enter(3)).leave()
    assert (queue.running, queue.waiting) == (0, 0)


async def test_a_turn_that_comes_with_the_cancellation_is_passed_on() -> None:
    queue = BoundedQueue(1, 5, FakeClock())
    hold = await queue.enter()
    first, second = (asyncio.ensure_future(queue.enter()) for _ in range(2))
    await settle()
    hold.leave()
    first.cancel()
    (await second).leave()
    assert (queue.running, queue.waiting) == (0, 0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "cancel", "resize", "finish", "settle"]), st.integers(0, 7)),
    max_size=40,
)


@given(STEPS)
def test_random_joins_cancels_and_finishes_leave_nothing_behind(
    steps: list[tuple[str, int]],
) -> None:
    asyncio.run(_expect_nothing_left(steps))


async def _expect_nothing_left(steps: list[tuple[str, int]]) -> None:
    queue = BoundedQueue(CAPACITY, WAITING, FakeClock())
    tasks: deque[asyncio.Task[Hold]] = deque()
    for step, number in steps:
        if step == "join":
            tasks.append(asyncio.create_task(queue.enter(number % CAPACITY + 1)))
        elif step == "settle":
            await settle()
        elif tasks:
            task = tasks[number % len(tasks)]
            if step == "cancel":
                task.cancel()
            elif task.done() and not task.cancelled() and task.exception() is None:
                hold = task.result()
                hold.resize(number) if step == "resize" else hold.leave()
        assert queue.waiting <= WAITING
        assert queue.running >= 0
    while tasks:
        await settle()
        task = tasks.popleft()
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            task.result().leave()
    assert (queue.running, queue.waiting) == (0, 0)
    (await queue.enter(CAPACITY)).leave()
