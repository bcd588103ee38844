"""Who is let in, who waits, who is sent away; and that nothing is left behind."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.tasks import settle
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds, Turn
from headrace_inference.domain.waiting_line import Demand, Priority

AGEING_SECONDS = 30.0


def bounds(**changes: float) -> SchedulerBounds:
    usual = {
        "slots": 1,
        "context_tokens": 100,
        "waiting_requests": 100,
        "waiting_tokens": 100_000,
        "waiting_seconds": 60.0,
        "ageing_seconds": AGEING_SECONDS,
    }
    return SchedulerBounds(**{**usual, **changes})  # type: ignore[arg-type] # slots are whole


def demand(
    tenant: str = "a",
    *,
    priority: Priority = Priority.INTERACTIVE,
    choices: int = 1,
    prompt_tokens: int = 10,
    max_tokens: int = 10,
) -> Demand:
    return Demand(tenant, priority, choices, prompt_tokens, max_tokens)


async def begin(scheduler: Scheduler, *demands: Demand) -> list[asyncio.Task[Turn]]:
    """Each enters after the one before it has got, or begun to wait for, its turn."""
    tasks = []
    for each in demands:
        tasks.append(asyncio.create_task(scheduler.enter(each)))
        await settle()
    return tasks


def idle(scheduler: Scheduler) -> bool:
    load = scheduler.load()
    requests = (load.running_requests, load.waiting_requests)
    slots = (load.running_slots, load.waiting_slots)
    tokens = (load.tokens_in_flight, load.waiting_tokens)
    return not any(requests + slots + tokens)


async def order(scheduler: Scheduler, demands: Iterable[Demand], tokens: int = 10) -> list[str]:
    """The tenants as they are let in, one after the other; each is served `tokens`."""
    names: list[str] = []

    async def work(each: Demand) -> None:
        with await scheduler.enter(each) as turn:
            names.append(each.tenant)
            turn.serve(tokens)
            await asyncio.sleep(0)

    with await scheduler.enter(demand("first")):
        tasks = [asyncio.create_task(work(each)) for each in demands]
        await settle()
    await asyncio.gather(*tasks)
    return names


async def refusal(scheduler: Scheduler, wanted: Demand) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await scheduler.enter(wanted)
    return caught.value


async def test_one_tenant_is_served_in_order_of_arrival() -> None:
    scheduler = Scheduler(bounds(), FakeClock())
    waiting = [demand("a", prompt_tokens=tokens) for tokens in (1, 2, 3)]
    tasks = await begin(scheduler, demand("a"), *waiting)
    for number, task in enumerate(tasks):
        (await task).leave()
        await settle()
        assert [each.done() for each in tasks] == [n <= number + 1 for n in range(len(tasks))]
    assert idle(scheduler)


async def test_tenants_take_turns_however_much_one_of_them_sends() -> None:
    scheduler = Scheduler(bounds(), FakeClock())
    wanted = [*(demand("much") for _ in range(8)), demand("b"), demand("c"), demand("b")]
    assert (await order(scheduler, wanted))[:6] == ["much", "b", "c", "much", "b", "much"]


async def test_tokens_count_and_not_requests() -> None:
    scheduler = Scheduler(bounds(), FakeClock())
    large = [demand("large", prompt_tokens=300) for _ in range(3)]
    small = [demand("small", prompt_tokens=80) for _ in range(6)]
    names = await order(scheduler, [*large, *small])
    assert Counter(names[:4]) == {"large": 1, "small": 3}


async def test_who_was_away_has_saved_nothing_up() -> None:
    scheduler = Scheduler(bounds(), FakeClock())
    for _ in range(50):
        with await scheduler.enter(demand("steady")) as turn:
            turn.serve(10)
    wanted = [demand(tenant) for tenant in ["steady", "new"] * 4]
    names = await order(scheduler, wanted)
    assert names[:2] in (["steady", "new"], ["new", "steady"])
    assert Counter(names[:4]) == {"steady": 2, "new": 2}


async def test_interactive_goes_before_batch_until_that_has_aged() -> None:
    clock = FakeClock()
    scheduler = Scheduler(bounds(), clock)
    running, batch = await begin(scheduler, demand("a"), demand("batch", priority=Priority.BATCH))
    for _ in range(3):
        (fresh,) = await begin(scheduler, demand("a"))
        (await running).leave()
        await settle()
        assert fresh.done()
        assert not batch.done()
        running = fresh
    clock.advance(AGEING_SECONDS)
    (fresh,) = await begin(scheduler, demand("a"))
    (await running).leave()
    (await batch).leave()
    (await fresh).leave()
    assert idle(scheduler)


async def test_who_needs_many_slots_is_not_overtaken() -> None:
    scheduler = Scheduler(bounds(slots=3), FakeClock())
    held, large, small = await begin(
        scheduler, demand(choices=2), demand(choices=3), demand(choices=1)
    )
    assert not large.done()
    assert not small.done()
    (await held).leave()
    (await large).leave()
    (await small).leave()
    assert idle(scheduler)


async def test_a_full_line_refuses_at_once_with_a_hint_of_how_long_it_takes() -> None:
    clock = FakeClock()
    scheduler = Scheduler(bounds(waiting_requests=1), clock)
    with await scheduler.enter(demand()) as turn:
        for _ in range(100):  # 10 tokens a second
            clock.advance(1)
            turn.serve(10)
        (waiting,) = await begin(scheduler, demand(max_tokens=190))
        error = await refusal(scheduler, demand())
        with pytest.raises(HeadraceError):
            scheduler.require_room("a", 1)
    assert error.reason is Reason.QUEUE_FULL
    assert error.retry_after_seconds == pytest.approx(20, rel=0.1)
    (await waiting).leave()


async def test_the_line_is_bounded_by_tokens_too() -> None:
    scheduler = Scheduler(bounds(waiting_tokens=50), FakeClock())
    running, _, _ = tasks = await begin(scheduler, demand(), demand(), demand())
    assert (await refusal(scheduler, demand())).reason is Reason.QUEUE_FULL
    assert scheduler.load().waiting_tokens == 40
    (await running).leave()
    for task in tasks[1:]:
        (await task).leave()


async def test_an_empty_line_takes_one_of_any_size() -> None:
    scheduler = Scheduler(bounds(waiting_tokens=50), FakeClock())
    running, large = await begin(scheduler, demand(), demand(max_tokens=1000))
    assert scheduler.load().waiting_tokens == 1010
    (await running).leave()
    (await large).leave()


async def test_who_makes_others_leave_the_line_takes_what_is_free() -> None:
    scheduler = Scheduler(bounds(slots=2, waiting_tokens=50), FakeClock())
    running, large = await begin(scheduler, demand(), demand("much", choices=2, max_tokens=1000))
    (small,) = await begin(scheduler, demand("b"))
    with pytest.raises(HeadraceError):
        await large
    assert small.done()
    for task in (running, small):
        (await task).leave()
    assert idle(scheduler)


async def test_who_fills_the_line_makes_room_for_who_does_not() -> None:
    scheduler = Scheduler(bounds(waiting_requests=4), FakeClock())
    crowd = [*(demand("much") for _ in range(4)), demand("much", priority=Priority.BATCH)]
    running, *waiting = await begin(scheduler, *crowd)
    scheduler.require_room("b", 1)
    late = await begin(scheduler, demand("b"), demand("b"))
    with pytest.raises(HeadraceError) as sent_away:
        await waiting[3]  # the batch's first, then the newest
    assert sent_away.value.reason is Reason.QUEUE_FULL
    with pytest.raises(HeadraceError):
        await waiting[2]
    assert (await refusal(scheduler, demand("b"))).reason is Reason.QUEUE_FULL
    assert (await refusal(scheduler, demand("much"))).reason is Reason.QUEUE_FULL
    (await running).leave()
    for task in [waiting[0], late[0], waiting[1], late[1]]:
        (await task).leave()
    assert idle(scheduler)


async def test_waiting_ends() -> None:
    scheduler = Scheduler(bounds(waiting_seconds=0.01), FakeClock())
    with await scheduler.enter(demand()):
        assert (await refusal(scheduler, demand())).reason is Reason.QUEUE_FULL
        assert scheduler.load().waiting_requests == 0


async def test_cancelling_the_first_lets_the_next_one_in() -> None:
    scheduler = Scheduler(bounds(slots=3), FakeClock())
    held, large, small = await begin(
        scheduler, demand(choices=2), demand(choices=3), demand(choices=1)
    )
    large.cancel()
    (await small).leave()
    (await held).leave()
    assert idle(scheduler)


async def test_a_turn_that_comes_with_the_cancellation_is_passed_on() -> None:
    scheduler = Scheduler(bounds(), FakeClock())
    held, first, second = await begin(scheduler, demand(), demand(), demand())
    (await held).leave()
    first.cancel()
    (await second).leave()
    assert idle(scheduler)


async def test_leaving_twice_counts_once() -> None:
    scheduler = Scheduler(bounds(slots=2), FakeClock())
    turn = await scheduler.enter(demand())
    turn.leave()
    turn.leave()
    turn.serve(5)
    assert idle(scheduler)


async def test_the_load_says_what_runs_and_waits() -> None:
    clock = FakeClock()
    scheduler = Scheduler(bounds(slots=2), clock)
    turn, waiting = await begin(scheduler, demand(choices=2), demand(choices=1))
    (await turn).serve(7)
    load = scheduler.load()
    assert (load.running_requests, load.running_slots, load.waiting_requests) == (1, 2, 1)
    assert (load.waiting_tokens, load.tokens_in_flight, load.saturation) == (20, 17, 1.5)
    assert load.memory_used == 17 / 200
    assert load.tokens_per_second == pytest.approx(0.7)
    clock.advance(100)
    assert scheduler.load().tokens_per_second < 0.001
    (await turn).leave()
    (await waiting).leave()


SLOTS, WAITING, TOKENS = 3, 4, 100
STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "cancel", "serve", "leave", "settle"]), st.integers(0, 11)),
    max_size=50,
)


@given(STEPS)
def test_random_joins_cancels_and_ends_leave_nothing_behind(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_expect_nothing_left(steps))


async def _expect_nothing_left(steps: list[tuple[str, int]]) -> None:
    scheduler = Scheduler(
        bounds(slots=SLOTS, waiting_requests=WAITING, waiting_tokens=TOKENS), FakeClock()
    )
    tasks: deque[asyncio.Task[Turn]] = deque()
    for step, number in steps:
        if step == "join":
            priority = list(Priority)[number % 2]
            wanted = demand(
                "abcd"[number % 4],
                priority=priority,
                choices=number % SLOTS + 1,
                max_tokens=5 * number + 1,
            )
            tasks.append(asyncio.create_task(scheduler.enter(wanted)))
        elif step == "settle":
            await settle()
        elif tasks:
            task = tasks[number % len(tasks)]
            if step == "cancel":
                task.cancel()
            elif task.done() and not task.cancelled() and task.exception() is None:
                task.result().serve(1) if step == "serve" else task.result().leave()
        load = scheduler.load()
        assert load.waiting_requests <= WAITING
        assert load.waiting_tokens <= TOKENS or load.waiting_requests == 1
        assert 0 <= load.running_slots <= SLOTS
    while tasks:
        await settle()
        task = tasks.popleft()
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            task.result().leave()
    assert idle(scheduler)
    (await scheduler.enter(demand(choices=SLOTS))).leave()
