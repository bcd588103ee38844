"""One group at a time, and whoever waits longest is next."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from headrace_common.testing.tasks import settle
from headrace_inference.domain.group_gate import GroupGate, Membership


async def enter(gate: GroupGate, group: str) -> "asyncio.Task[Membership]":
    """Begin to enter, and let it get as far as it can."""
    task = asyncio.create_task(gate.enter(group))
    await settle()
    return task


async def test_one_group_enters_together_and_another_waits_for_all_of_it() -> None:
    gate = GroupGate()
    first, second = await enter(gate, "a"), await enter(gate, "a")
    other = await enter(gate, "b")
    assert (first.done(), second.done(), other.done()) == (True, True, False)
    first.result().leave()
    await settle()
    assert not other.done()
    second.result().leave()
    await settle()
    assert other.done()


async def test_nobody_overtakes_and_a_group_enters_whole() -> None:
    gate = GroupGate()
    inside = await enter(gate, "a")
    waiting = [await enter(gate, group) for group in "bab"]
    inside.result().leave()
    await settle()
    assert [task.done() for task in waiting] == [True, False, True]


async def test_who_gives_up_lets_those_behind_in() -> None:
    gate = GroupGate()
    inside = await enter(gate, "a")
    other, same = await enter(gate, "b"), await enter(gate, "a")
    assert not same.done()
    other.cancel()
    await settle()
    assert same.done()
    inside.result().leave()
    same.result().leave()


async def test_who_gives_up_as_its_turn_comes_lets_those_behind_in() -> None:
    gate = GroupGate()
    inside = await enter(gate, "a")
    other, behind = await enter(gate, "b"), await enter(gate, "c")
    other.cancel()
    inside.result().leave()
    await settle()
    assert behind.done()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_whatever_happens_groups_never_mix_and_everybody_comes_in(
    steps: list[tuple[str, bool]],
) -> None:
    async def run() -> None:
        gate = GroupGate()
        tasks: list[tuple[str, asyncio.Task[Membership]]] = []
        left: set[asyncio.Task[Membership]] = set()

        def inside() -> list[tuple[str, asyncio.Task[Membership]]]:
            return [(g, t) for g, t in tasks if t.done() and not t.cancelled() and t not in left]

        async def let_one_go() -> None:
            _, task = inside()[0]
            left.add(task)
            task.result().leave()
            await settle()

        for number, (group, give_up) in enumerate(steps):
            tasks.append((group, await enter(gate, group)))
            if give_up and not tasks[number // 2][1].done():
                tasks[number // 2][1].cancel()
                await settle()
            if number % 3 == 2 and inside():
                await let_one_go()
            assert len({group for group, _ in inside()}) <= 1
        while inside():
            await let_one_go()
            assert len({group for group, _ in inside()}) <= 1
        assert all(task.done() for _, task in tasks)

    asyncio.run(run())
