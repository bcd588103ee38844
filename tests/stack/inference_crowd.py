"""A crowd before an engine: random joins, cancels, stalls and kills, which must leave nothing."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
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

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.proxy import Proxy
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.domain.events import Answer, Delta, Finished, Started
from headrace_inference.domain.objectives import Objectives
from headrace_inference.domain.requests import GenerationRequest, Sampling
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.domain.waiting_line import Priority
from headrace_inference.generator import Generator
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.ports import Engine
from headrace_inference.served_model import ServedModel

MODEL = "m"
SECONDS = 30
MAY_FAIL = {Reason.QUEUE_FULL, Reason.ENGINE_FAILED, Reason.NOT_SERVING}


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


@dataclass(slots=True)
class Visitor:
    """One request; who does not `stay` hangs up after so many messages."""

    request: GenerationRequest
    stay: int | None = None
    messages: list[Answer] = field(default_factory=list)
    error: HeadraceError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def here(self) -> bool:
        return self.task is not None and not self.task.done()

    def check(self) -> None:
        """Whoever is gone got a whole answer, the beginning of one, or a reason."""
        assert self.task is not None
        if self.task.cancelled() or self.stay is not None:
            return
        assert self.task.exception() is None
        if self.error is not None:
            assert self.error.reason in MAY_FAIL
            return
        first, *deltas, last = self.messages
        assert isinstance(first, Started)
        assert all(isinstance(delta, Delta) for delta in deltas)
        assert isinstance(last, Finished)
        assert len(last.reasons) == self.request.sampling.choices


class Crowd(RuleBasedStateMachine):
    """Before an engine that was started in the runner's loop."""

    def __init__(self, runner: asyncio.Runner, engine: Engine) -> None:
        super().__init__()
        self.runner = runner
        self.engine = engine
        self.slots = engine.info.slots
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
        self.generator = Generator(served, metrics, maximum_seconds=SECONDS, clock=clock)
        self.idle = self.scheduler.load()
        self.visitors: list[Visitor] = []
        self.news = asyncio.Event()
        self.others = self.runner.run(_tasks())

    @property
    def anybody(self) -> bool:
        return any(visitor.here for visitor in self.visitors)

    def flows(self) -> bool:
        """Whether somebody is here who will hear something."""
        return self.anybody

    @rule(
        tenant=st.sampled_from(["a", "b", "c"]),
        priority=st.sampled_from(Priority),
        choices=st.integers(1, 3),
        tokens=st.integers(1, 6),
        stay=st.none() | st.integers(1, 4),
    )
    def join(
        self, tenant: str, priority: Priority, choices: int, tokens: int, stay: int | None
    ) -> None:
        sampling = Sampling(max_tokens=tokens, choices=choices, seed=1)
        request = GenerationRequest(
            "r", tenant, MODEL, "one two three four", sampling, priority=priority
        )
        self.runner.run(self._join(Visitor(request, stay)))

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

    def expect_an_idle_server(self) -> None:
        """Its load is that of the beginning, but for what it remembers of its speed."""
        assert replace(self.scheduler.load(), tokens_per_second=0.0) == self.idle

    async def _join(self, visitor: Visitor) -> None:
        self.visitors.append(visitor)
        visitor.task = asyncio.create_task(self._visit(visitor))

    async def _visit(self, visitor: Visitor) -> None:
        try:
            async with aclosing(self.generator.generate(visitor.request)) as answer:
                async for message in answer:
                    visitor.messages.append(message)
                    self.news.set()
                    if len(visitor.messages) == visitor.stay:
                        return
        except HeadraceError as error:
            visitor.error = error
        finally:
            self.news.set()

    async def _cancel(self, numbers: list[int], passes: int) -> None:
        for number in numbers:
            here = [visitor.task for visitor in self.visitors if visitor.task and visitor.here]
            if here:
                here[number % len(here)].cancel()
            await _pass(passes)

    async def _listen(self) -> None:
        """For a message to anybody, or anybody's end, of which nobody has heard yet."""
        async with asyncio.timeout(SECONDS):
            await self.news.wait()
        self.news.clear()

    async def _go_home(self) -> None:
        async with asyncio.timeout(SECONDS):
            remaining = [visitor.task for visitor in self.visitors if visitor.task]
            for task in remaining[len(remaining) // 2 :]:
                task.cancel()
            await asyncio.gather(*remaining, return_exceptions=True)
            self.expect_an_idle_server()
            request = GenerationRequest("r", "a", MODEL, "one two", Sampling(max_tokens=2))
            house = [Visitor(request) for _ in range(self.slots)]
            for visitor in house:
                await self._join(visitor)
            await asyncio.gather(*(visitor.task for visitor in house if visitor.task))
            assert [visitor.error for visitor in house] == [None] * self.slots
            while left := await _tasks() - self.others:
                await asyncio.wait(left)


class EchoCrowd(Crowd):
    """Before an echo engine, which fails and stalls as it is told."""

    def __init__(self) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.failures = 0
        runner = asyncio.Runner()
        engine = EchoEngine(SystemClock(), slots=3, context_tokens=64, pause=self._pause)
        runner.run(engine.start())
        super().__init__(runner, engine)

    def flows(self) -> bool:
        return self.flowing.is_set() and self.anybody

    @rule()
    def stall(self) -> None:
        self.flowing.clear()

    @rule()
    def flow(self) -> None:
        self.flowing.set()

    @rule()
    def fail(self) -> None:
        """The next token that is to be made."""
        self.failures = 1

    def teardown(self) -> None:
        self.flowing.set()
        self.failures = 0
        super().teardown()
        self.runner.run(self.engine.close())
        self.runner.close()

    async def _pause(self) -> None:
        await self.flowing.wait()
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise HeadraceError(Reason.ENGINE_FAILED, "as it was told")


class ProxiedCrowd(Crowd):
    """Before an engine that reaches its server through a proxy, which drops its connections."""

    def __init__(self, runner: asyncio.Runner, engine: Engine, proxy: Proxy) -> None:
        super().__init__(runner, engine)
        self.proxy = proxy
        self.others |= self.runner.run(_tasks())

    @rule()
    def kill_all_connections(self) -> None:
        self.runner.run(self._kill())

    async def _kill(self) -> None:
        self.proxy.cut()
        await asyncio.sleep(0)
        self.proxy.restore()


async def _tasks() -> set[asyncio.Task[Any]]:
    """All but this one."""
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current}


async def _pass(passes: int) -> None:
    for _ in range(passes):
        await asyncio.sleep(0)
