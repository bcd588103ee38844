"""A crowd before an engine: random joins, cancels, stalls and kills, which must leave nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from prometheus_client import CollectorRegistry
from tests.stack.inference_visitors import Measurer, Reader, Server, Visitor

from headrace_common.clock import SystemClock
from headrace_inference.domain.objectives import Objectives
from headrace_inference.domain.requests import EmbeddingRequest, GenerationRequest, Sampling
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.domain.waiting_line import Priority
from headrace_inference.embedder import Embedder
from headrace_inference.generator import Generator
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.ports import Engine
from headrace_inference.served_model import ServedModel

MODEL = "m"
SECONDS = 30
TENANTS = st.sampled_from(["a", "b", "c"])
PRIORITIES = st.sampled_from(Priority)
TEXT = "one two three four " * 8
"""Two of these are more than is embedded in one turn."""


def expect_nothing_left(
    crowd: Callable[[], RuleBasedStateMachine], *, examples: int, steps: int
) -> None:
    """Run so many crowds of so many steps; they fail if anything is left."""
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    # any callable will do, whatever its annotation says
    run_state_machine_as_test(cast("type[RuleBasedStateMachine]", crowd), settings=bounds)


class Crowd(RuleBasedStateMachine):
    """Before an engine that was started in the runner's loop: whatever it can do is asked of it."""

    def __init__(self, runner: asyncio.Runner, engine: Engine) -> None:
        super().__init__()
        self.runner = runner
        self.engine = engine
        self.slots = engine.info.slots
        self.generates = engine.info.capabilities.generates
        self.embeds = engine.info.capabilities.embedding_dimensions is not None
        clock = SystemClock()
        self.scheduler = Scheduler(
            SchedulerBounds(
                self.slots,
                context_tokens=64,
                waiting_requests=4,
                waiting_tokens=100,
                waiting_seconds=SECONDS,
                ageing_seconds=0.01,
            ),
            clock,
        )
        served = ServedModel(
            engine, self.scheduler, model_id=MODEL, silent_seconds=SECONDS, clock=clock
        )
        metrics = InferenceMetrics(CollectorRegistry(), self.scheduler, Objectives(1, 1))
        self.server = Server(
            Generator(served, metrics, maximum_seconds=SECONDS, clock=clock),
            Embedder(served, metrics, maximum_seconds=SECONDS, clock=clock),
        )
        self.idle = self.scheduler.load()
        self.visitors: list[Visitor] = []
        self.others = self.runner.run(_tasks())

    @property
    def anybody(self) -> bool:
        return any(visitor.here for visitor in self.visitors)

    def flows(self) -> bool:
        """Whether somebody is here who will hear something."""
        return self.anybody

    @precondition(lambda self: self.generates)
    @rule(
        tenant=TENANTS,
        priority=PRIORITIES,
        choices=st.integers(1, 3),
        tokens=st.integers(1, 6),
        stay=st.none() | st.integers(1, 4),
    )
    def ask_for_a_text(
        self, tenant: str, priority: Priority, choices: int, tokens: int, stay: int | None
    ) -> None:
        sampling = Sampling(max_tokens=tokens, choices=choices, seed=1)
        request = GenerationRequest(
            "r", tenant, MODEL, "one two three four", sampling, priority=priority
        )
        self.runner.run(self._let_in(Reader(request, stay)))

    @precondition(lambda self: self.embeds)
    @rule(tenant=TENANTS, priority=PRIORITIES, texts=st.integers(1, 5))
    def ask_for_vectors(self, tenant: str, priority: Priority, texts: int) -> None:
        request = EmbeddingRequest("r", tenant, MODEL, (TEXT,) * texts, priority=priority)
        self.runner.run(self._let_in(Measurer(request)))

    @rule(passes=st.integers(1, 30))
    def let_the_loop_run(self, passes: int) -> None:
        self.runner.run(_pass(passes))

    @precondition(lambda self: self.flows())
    @rule()
    def listen(self) -> None:
        self.runner.run(self._listen())

    @precondition(lambda self: self.anybody)
    @rule(numbers=st.lists(st.integers(0, 9), min_size=1, max_size=4), passes=st.integers(0, 5))
    def cancel(self, numbers: list[int], passes: int) -> None:
        """One after the other, so that some are cancelled just as they are let in."""
        self.runner.run(self._cancel(numbers, passes))

    @invariant()
    def no_more_is_counted_than_is_here(self) -> None:
        load = self.scheduler.load()
        here = sum(visitor.here for visitor in self.visitors)
        assert load.running_slots <= self.slots
        assert load.running_requests + load.waiting_requests <= here

    def teardown(self) -> None:
        """All go home, those first who came last; then the engine serves a full house."""
        self.runner.run(self._go_home())
        for visitor in self.visitors:
            visitor.check()
        self.expect_an_idle_server()
        self.runner.run(self._serve([self._guest() for _ in range(self.slots)]))
        if self.generates:
            self.runner.run(self._serve([self._guest(choices=self.slots)]))
        self.expect_an_idle_server()
        self.runner.run(self.end_connections())
        self.runner.run(self._expect_no_tasks())

    def expect_an_idle_server(self) -> None:
        """Its load is that of the beginning, but for what it remembers of its speed."""
        assert replace(self.scheduler.load(), tokens_per_second=0.0) == self.idle

    async def end_connections(self) -> None:
        """Whatever an engine may keep for the next request, with tasks of the test's own."""

    async def _let_in(self, *visitors: Visitor) -> None:
        self.visitors += visitors
        for visitor in visitors:
            visitor.come(self.server)

    async def _cancel(self, numbers: list[int], passes: int) -> None:
        for number in numbers:
            here = [visitor.task for visitor in self.visitors if visitor.task and visitor.here]
            if here:
                here[number % len(here)].cancel()
            await _pass(passes)

    async def _listen(self) -> None:
        """For a message to anybody, or anybody's end, of which nobody has heard yet."""
        async with asyncio.timeout(SECONDS):
            await self.server.news.wait()
        self.server.news.clear()

    async def _go_home(self) -> None:
        async with asyncio.timeout(SECONDS):
            remaining = [visitor.task for visitor in self.visitors if visitor.task]
            for task in remaining[len(remaining) // 2 :]:
                task.cancel()
            await asyncio.gather(*remaining, return_exceptions=True)

    def _guest(self, choices: int = 1) -> Visitor:
        """Somebody with little to ask; one with as many choices as there are slots takes all."""
        if not self.generates:
            return Measurer(EmbeddingRequest("r", "a", MODEL, (TEXT,)))
        sampling = Sampling(max_tokens=2, choices=choices)
        return Reader(GenerationRequest("r", "a", MODEL, "one two", sampling))

    async def _serve(self, guests: Sequence[Visitor]) -> None:
        """To the end, and without a failure: no place of the engine is still taken."""
        await self._let_in(*guests)
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(guest.task for guest in guests if guest.task))
        assert [guest.error for guest in guests] == [None] * len(guests)
        for guest in guests:
            guest.check()

    async def _expect_no_tasks(self) -> None:
        """Those that are about to end may do so."""
        async with asyncio.timeout(SECONDS):
            while left := await _tasks() - self.others:
                await asyncio.wait(left)


async def _tasks() -> set[asyncio.Task[Any]]:
    """All but this one."""
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current}


async def _pass(passes: int) -> None:
    for _ in range(passes):
        await asyncio.sleep(0)
