"""The way of a request: refused early, queued, answered, measured, stopped when nobody waits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.domain.capabilities import Capabilities, Feature
from headrace_inference.domain.events import (
    Accepted,
    Answer,
    Delta,
    EngineEvent,
    Finished,
    FinishReason,
    Started,
    Timings,
)
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.objectives import Objectives
from headrace_inference.domain.requests import GenerationRequest, Message, Sampling, Tool
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.domain.waiting_line import Demand, Priority
from headrace_inference.generator import Generator
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.served_model import ServedModel

SILENT_SECONDS = 10
OBJECTIVES = Objectives(first_token_seconds=1, per_token_seconds=1)
REQUEST = GenerationRequest("req_1", "org_1", "echo", "one two three")


class Bench:
    """A generator over an echo engine with two slots whose every token takes a second."""

    def __init__(
        self,
        *,
        queue_length: int = 1,
        queue_seconds: float = 60,
        maximum_seconds: float = 60,
        engine: type[EchoEngine] = EchoEngine,
    ) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.gate: asyncio.Event | None = None
        self.engine = engine(self.clock, slots=2, context_tokens=8, pause=self.pause)
        bounds = SchedulerBounds(
            slots=2,
            context_tokens=8,
            waiting_requests=queue_length,
            waiting_tokens=100,
            waiting_seconds=queue_seconds,
            ageing_seconds=30,
        )
        self.scheduler = Scheduler(bounds, self.clock)
        self.served = ServedModel(
            self.engine,
            self.scheduler,
            model_id="echo",
            silent_seconds=SILENT_SECONDS,
            clock=self.clock,
        )
        self.generator = Generator(
            self.served,
            InferenceMetrics(self.registry, self.scheduler, OBJECTIVES),
            maximum_seconds=maximum_seconds,
            clock=self.clock,
        )

    async def pause(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        self.clock.advance(1)

    async def answer(self, request: GenerationRequest = REQUEST) -> list[Answer]:
        async with aclosing(self.generator.generate(request)) as messages:
            return [message async for message in messages]

    def idle(self) -> bool:
        load = self.scheduler.load()
        return not (load.running_requests or load.running_slots or load.waiting_requests)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.engine.start()
    return bench


async def refusal(bench: Bench, **changes: Any) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await bench.answer(replace(REQUEST, **changes))
    return caught.value


async def test_an_answer_starts_flows_and_finishes_with_what_it_took(bench: Bench) -> None:
    model = bench.served.version(REQUEST.model)
    assert model.version == model.digest[:12]
    assert await bench.answer() == [
        Started(model, queue_seconds=0.0, prompt_tokens=3),
        Delta(0, "one", 1),
        Delta(0, " two", 1),
        Delta(0, " three", 1),
        Finished(model, (FinishReason.STOP,), 3, 3, Timings(0.0, 1.0, 2.0)),
    ]


class Mute(EchoEngine):
    """Takes work and says nothing."""

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        await asyncio.Event().wait()
        yield Accepted()


class Uncounting(EchoEngine):
    """Takes tools, and tells nobody how many tokens a text has."""

    @property
    def info(self) -> EngineInfo:
        features = frozenset({Feature.CHAT, Feature.TOOLS})
        return replace(super().info, capabilities=Capabilities(features, tokenizes=False))


async def test_an_estimate_of_the_prompt_counts_the_tools_that_are_offered() -> None:
    bench = Bench(engine=Uncounting)
    await bench.engine.start()
    turns, tools = (Message("user", "one"),), (Tool("a" * 60), Tool("b", "x" * 337))
    request = replace(REQUEST, prompt=turns, tools=tools)
    counted = []
    for choice in ("auto", "none"):
        started, *_ = await bench.answer(replace(request, tool_choice=choice))
        assert isinstance(started, Started)
        counted.append(started.prompt_tokens)
    assert counted == [(60 + 1 + 337 + 3) // 4 + 1, 3 // 4 + 1]


async def test_tokens_and_times_are_measured(bench: Bench) -> None:
    await bench.answer()
    assert bench.value("llm_requests_total", code="OK", finish_reason="stop") == 1
    assert bench.value("llm_tokens_total", type="prompt") == 3
    assert bench.value("llm_tokens_total", type="completion") == 3
    assert bench.value("llm_request_duration_seconds_sum") == 3
    assert bench.value("llm_time_to_first_token_seconds_sum") == 1
    assert bench.value("llm_time_per_output_token_seconds_sum") == 1
    assert bench.value("llm_queue_time_seconds_count") == 1
    assert bench.value("llm_goodput_requests_total") == 1


def test_metrics_are_zero_from_the_start() -> None:
    bench = Bench()
    for name in ("llm_requests_waiting", "llm_requests_running"):
        assert bench.value(name) == 0
    assert bench.value("llm_load_shed_total", reason="queue_full") == 0
    assert bench.value("llm_tokens_total", type="completion") == 0
    assert bench.value("llm_requests_total", code="CANCELLED", finish_reason="") == 0


async def test_the_load_has_vllms_names_too(bench: Bench) -> None:
    bench.gate = asyncio.Event()
    running = [asyncio.create_task(bench.answer()) for _ in range(3)]
    await settle()
    for name, alias in (
        ("llm_requests_running", "vllm:num_requests_running"),
        ("llm_requests_waiting", "vllm:num_requests_waiting"),
        ("llm_kv_cache_usage_ratio", "vllm:kv_cache_usage_perc"),
    ):
        assert bench.value(alias) == bench.value(name)
    assert bench.value("vllm:num_requests_running") == 2
    assert bench.value("vllm:num_requests_waiting") == 1
    assert bench.value("vllm:kv_cache_usage_perc") == 6 / (2 * 8)
    bench.gate.set()
    await asyncio.gather(*running)


async def test_max_tokens_is_clipped_to_the_context(bench: Bench) -> None:
    long = replace(REQUEST, prompt="1 2 3 4 5 6", sampling=Sampling(max_tokens=100))
    finished = (await bench.answer(long))[-1]
    assert isinstance(finished, Finished)
    assert finished.reasons == (FinishReason.LENGTH,)
    assert finished.completion_tokens == 2


async def test_what_can_be_refused_is_refused_before_the_queue(bench: Bench) -> None:
    assert (await refusal(bench, model="other")).reason is Reason.MODEL_NOT_FOUND
    too_long = await refusal(bench, prompt="1 2 3 4 5 6 7 8")
    assert too_long.reason is Reason.CONTEXT_LENGTH_EXCEEDED
    too_many = await refusal(bench, sampling=Sampling(choices=3))
    assert (too_many.reason, too_many.param) == (Reason.UNSUPPORTED_PARAMETER, "choices")
    huge = await refusal(bench, sampling=Sampling(choices=2**32 - 1))
    assert huge.reason is Reason.INVALID_FIELD
    unsupported = await refusal(bench, sampling=Sampling(top_logprobs=1))
    assert unsupported.reason is Reason.UNSUPPORTED_PARAMETER
    assert bench.value("llm_requests_total", code="INVALID_ARGUMENT", finish_reason="") == 4
    assert bench.value("llm_queue_time_seconds_count") == 0


async def test_before_the_engine_is_started_nothing_is_served() -> None:
    assert (await refusal(Bench())).reason is Reason.NOT_SERVING


async def test_a_full_queue_sheds_and_counts(bench: Bench) -> None:
    bench.gate = asyncio.Event()
    running = [asyncio.create_task(bench.answer()) for _ in range(3)]
    await settle()
    assert bench.value("llm_requests_running") == 2
    assert bench.value("llm_requests_waiting") == 1
    error = await refusal(bench)
    assert error.reason is Reason.QUEUE_FULL
    assert error.retry_after_seconds
    assert bench.value("llm_load_shed_total", reason="queue_full") == 1
    bench.gate.set()
    for messages in await asyncio.gather(*running):
        assert isinstance(messages[-1], Finished)
    assert bench.value("llm_requests_running") == 0


@pytest.mark.parametrize("choices", [1, 2])
async def test_cancelling_frees_the_places_and_is_measured(bench: Bench, choices: int) -> None:
    bench.gate = asyncio.Event()
    request = replace(REQUEST, sampling=Sampling(choices=choices))
    task = asyncio.create_task(bench.answer(request))
    await settle()
    assert bench.scheduler.load().running_requests == 1
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert bench.idle()
    assert bench.value("llm_requests_total", code="CANCELLED", finish_reason="") == 1
    assert bench.value("llm_request_duration_seconds_count") == 1
    assert bench.value("llm_stream_aborts_total", stage="prefill") == 1


async def test_closing_in_the_middle_counts_the_tokens_so_far(bench: Bench) -> None:
    answer = bench.generator.generate(REQUEST)
    await anext(answer)
    await anext(answer)
    await answer.aclose()
    assert bench.value("llm_tokens_total", type="completion") == 1
    assert bench.value("llm_requests_total", code="CANCELLED", finish_reason="") == 1
    assert bench.value("llm_stream_aborts_total", stage="decode") == 1
    assert bench.value("llm_goodput_requests_total") == 0
    assert bench.idle()


async def test_an_answer_that_takes_too_long_ends() -> None:
    bench = Bench(maximum_seconds=2)
    await bench.engine.start()
    error = await refusal(bench)
    assert error.reason is Reason.DEADLINE_EXCEEDED
    assert bench.value("llm_stream_aborts_total", stage="decode") == 1
    assert bench.idle()


async def test_an_engine_that_is_silent_at_work_counts_as_stalled_until_it_speaks() -> None:
    bench = Bench()
    await bench.engine.start()
    bench.clock.advance(SILENT_SECONDS + 1)
    await bench.served.check_engine()  # it has nothing to do
    bench.gate = asyncio.Event()
    working = asyncio.create_task(bench.answer())
    await settle()
    await bench.served.check_engine()
    bench.clock.advance(SILENT_SECONDS + 1)
    with pytest.raises(HeadraceError) as caught:
        await bench.served.check_engine()
    assert caught.value.reason is Reason.ENGINE_FAILED
    bench.gate.set()
    await working
    await bench.served.check_engine()


async def test_callers_who_come_and_go_do_not_hide_that_it_hangs() -> None:
    bench = Bench(engine=Mute)
    await bench.engine.start()
    callers = [asyncio.create_task(bench.answer())]
    await settle()
    bench.clock.advance(SILENT_SECONDS - 1)
    callers.append(asyncio.create_task(bench.answer()))
    await settle()
    callers[0].cancel()
    await settle()
    bench.clock.advance(2)
    with pytest.raises(HeadraceError) as caught:
        await bench.served.check_engine()
    assert caught.value.reason is Reason.ENGINE_FAILED
    callers[1].cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert bench.idle()


async def test_an_engine_that_falls_silent_is_left() -> None:
    bench = Bench(maximum_seconds=0.05)
    await bench.engine.start()
    bench.gate = asyncio.Event()
    assert (await refusal(bench)).reason is Reason.DEADLINE_EXCEEDED
    assert bench.value("llm_stream_aborts_total", stage="prefill") == 1
    assert bench.idle()


async def test_the_bound_on_a_request_holds_while_it_waits() -> None:
    bench = Bench(queue_seconds=60, maximum_seconds=0.05)
    await bench.engine.start()
    with await bench.scheduler.enter(Demand("org_2", Priority.INTERACTIVE, 2, 1, 1)):
        assert (await refusal(bench)).reason is Reason.DEADLINE_EXCEEDED
    assert bench.idle()


async def test_waiting_too_long_ends() -> None:
    bench = Bench(queue_seconds=0.05)
    await bench.engine.start()
    with await bench.scheduler.enter(Demand("org_2", Priority.INTERACTIVE, 2, 1, 1)):
        assert (await refusal(bench)).reason is Reason.QUEUE_FULL
    assert bench.idle()


async def test_a_caller_who_leaves_the_queue_is_counted_there(bench: Bench) -> None:
    with await bench.scheduler.enter(Demand("org_2", Priority.INTERACTIVE, 2, 1, 1)):
        waiting = asyncio.create_task(bench.answer())
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert bench.value("llm_stream_aborts_total", stage="queue") == 1
    assert bench.value("llm_tokens_total", type="prompt") == 0
    assert bench.idle()


async def test_tokens_are_served_to_the_tenant_as_they_come(bench: Bench) -> None:
    answer = bench.generator.generate(REQUEST)
    for _ in range(3):
        await anext(answer)
    load = bench.served.load()
    assert (load.running_requests, load.tokens_in_flight) == (1, 3 + 2)
    assert bench.value("llm_tokens_in_flight") == 5
    assert bench.value("llm_kv_cache_usage_ratio") == 5 / (2 * 8)
    assert load.tokens_per_second > 0
    await answer.aclose()
    assert bench.value("llm_tokens_in_flight") == 0


async def test_a_tenant_that_fills_the_queue_makes_room_for_another() -> None:
    bench = Bench(queue_length=2)
    await bench.engine.start()
    bench.gate = asyncio.Event()
    crowd = []
    for _ in range(4):
        crowd.append(asyncio.create_task(bench.answer()))
        await settle()
    other = asyncio.create_task(bench.answer(replace(REQUEST, organization_id="org_2")))
    with pytest.raises(HeadraceError) as caught:
        await crowd[-1]
    assert caught.value.reason is Reason.QUEUE_FULL
    assert bench.value("llm_load_shed_total", reason="queue_full") == 1
    bench.gate.set()
    for messages in await asyncio.gather(*crowd[:-1], other):
        assert isinstance(messages[-1], Finished)
    assert bench.idle()
