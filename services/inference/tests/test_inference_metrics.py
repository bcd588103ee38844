"""What is measured of a request: by its end, by how far it came, and against the objectives."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_inference.domain.events import Accepted, ChoiceFinished, Delta, FinishReason
from headrace_inference.domain.objectives import Objectives
from headrace_inference.domain.run import Run, Stage
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.served_model import too_late

OF_A_SERVER = """
llm_request_duration_seconds_count
llm_time_to_first_token_seconds_count
llm_time_per_output_token_seconds_count
llm_queue_time_seconds_count
llm_tokens_total{type="prompt"}
llm_tokens_total{type="completion"}
llm_requests_total{code="OK",finish_reason="stop"}
llm_requests_total{code="OK",finish_reason="length"}
llm_requests_total{code="OK",finish_reason="tool_calls"}
llm_requests_total{code="OK",finish_reason=""}
llm_requests_total{code="CANCELLED",finish_reason=""}
llm_requests_total{code="DEADLINE_EXCEEDED",finish_reason=""}
llm_requests_total{code="INTERNAL",finish_reason=""}
llm_requests_total{code="INVALID_ARGUMENT",finish_reason=""}
llm_requests_total{code="NOT_FOUND",finish_reason=""}
llm_requests_total{code="RESOURCE_EXHAUSTED",finish_reason=""}
llm_requests_total{code="UNAVAILABLE",finish_reason=""}
llm_requests_waiting
llm_requests_running
llm_kv_cache_usage_ratio
llm_prefix_cache_hits_total
llm_prefix_cache_queries_total
llm_stream_aborts_total{stage="queue"}
llm_stream_aborts_total{stage="prefill"}
llm_stream_aborts_total{stage="decode"}
llm_load_shed_total{reason="queue_full"}
llm_goodput_requests_total
vllm:num_requests_waiting
vllm:num_requests_running
vllm:kv_cache_usage_perc
vllm:prefix_cache_hits_total
vllm:prefix_cache_queries_total
vllm:prompt_tokens_total
vllm:generation_tokens_total
"""
"""What dashboards, alerts, autoscalers and endpoint pickers ask for."""

OBJECTIVES = Objectives(first_token_seconds=2.5, per_token_seconds=0.2)


class Bench:
    """The metrics of a server that is asked by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        bounds = SchedulerBounds(
            slots=2,
            context_tokens=8,
            waiting_requests=1,
            waiting_tokens=100,
            waiting_seconds=60,
            ageing_seconds=30,
        )
        self.metrics = InferenceMetrics(self.registry, Scheduler(bounds, self.clock), OBJECTIVES)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def aborts(self) -> dict[str, float | None]:
        return {stage: self.value("llm_stream_aborts_total", stage=stage) for stage in Stage}

    def answer(
        self, *, until: Stage | None = None, end: BaseException | None = None, cached: int = 0
    ) -> None:
        """Measure a whole answer, or one that ends in that stage, in that way."""
        run = Run(self.clock, choices=1)
        with self.metrics.measure(run):
            self.play(run, until, cached)
            if end is not None:
                raise end

    def play(self, run: Run, until: Stage | None, cached: int) -> None:
        """A prompt of five tokens, answered by two, 0.1 s each."""
        run.prompt_tokens = 5
        if until is Stage.QUEUE:
            return
        run.note(Accepted(cached))
        run.leave_queue()
        if until is Stage.PREFILL:
            return
        self.make_token(run, 0.1)
        if until is Stage.DECODE:
            return
        self.make_token(run, 0.1)
        run.note(ChoiceFinished(0, FinishReason.STOP, 2))

    def make_token(self, run: Run, seconds: float) -> None:
        self.clock.advance(seconds)
        run.note(Delta(0, "a", 1))


def test_every_name_is_there_and_zero_from_the_start() -> None:
    shown = generate_latest(Bench().registry).decode().splitlines()
    assert [name for name in OF_A_SERVER.split() if f"{name} 0.0" not in shown] == []


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(
    "end", [asyncio.CancelledError(), GeneratorExit(), too_late()], ids=["left", "closed", "late"]
)
def test_an_abort_is_counted_where_it_happened(stage: Stage, end: BaseException) -> None:
    bench = Bench()
    with pytest.raises(type(end)):
        bench.answer(until=stage, end=end)
    assert bench.aborts() == {each: float(each is stage) for each in Stage}
    assert bench.value("llm_goodput_requests_total") == 0


@pytest.mark.parametrize("reason", [Reason.ENGINE_FAILED, Reason.QUEUE_FULL])
def test_an_answer_that_the_server_failed_is_no_abort(reason: Reason) -> None:
    bench = Bench()
    with pytest.raises(HeadraceError):
        bench.answer(until=Stage.DECODE, end=HeadraceError(reason, "not today"))
    assert set(bench.aborts().values()) == {0}
    assert bench.value("llm_goodput_requests_total") == 0


def test_a_caller_who_leaves_a_complete_answer_aborts_nothing() -> None:
    bench = Bench()
    with pytest.raises(GeneratorExit):
        bench.answer(end=GeneratorExit())
    assert set(bench.aborts().values()) == {0}
    assert bench.value("llm_requests_total", code="CANCELLED", finish_reason="stop") == 1


@pytest.mark.parametrize(
    ("first_token", "others", "good"),
    [
        (2.5, [0.125], 1),
        (2.5625, [0.125], 0),
        (2.5, [0.25], 0),
        (1.0, [0.125, 0.25], 1),  # on average
        (1.0, [], 1),
        (None, [], 0),
    ],
)
def test_an_answer_is_good_if_it_keeps_both_objectives(
    first_token: float | None, others: list[float], good: int
) -> None:
    bench = Bench()
    run = Run(bench.clock, choices=1)
    with bench.metrics.measure(run):
        run.leave_queue()
        for seconds in [] if first_token is None else [first_token, *others]:
            bench.make_token(run, seconds)
        run.note(ChoiceFinished(0, FinishReason.STOP, run.completion_tokens))
    assert bench.value("llm_requests_total", code="OK", finish_reason="stop") == 1
    assert bench.value("llm_goodput_requests_total") == good


def test_the_cache_of_prefixes_is_counted_in_tokens() -> None:
    bench = Bench()
    for cached in (0, 4):
        bench.answer(cached=cached)
    assert bench.value("llm_prefix_cache_queries_total") == 10
    assert bench.value("llm_prefix_cache_hits_total") == 4


def test_what_never_reached_the_engine_asked_no_cache() -> None:
    bench = Bench()
    with pytest.raises(asyncio.CancelledError):
        bench.answer(until=Stage.QUEUE, end=asyncio.CancelledError())
    assert bench.value("llm_prefix_cache_queries_total") == 0


@pytest.mark.parametrize(
    ("alias", "name", "labels"),
    [
        ("vllm:prefix_cache_queries_total", "llm_prefix_cache_queries_total", {}),
        ("vllm:prefix_cache_hits_total", "llm_prefix_cache_hits_total", {}),
        ("vllm:prompt_tokens_total", "llm_tokens_total", {"type": "prompt"}),
        ("vllm:generation_tokens_total", "llm_tokens_total", {"type": "completion"}),
    ],
)
def test_vllms_names_tell_the_same(alias: str, name: str, labels: dict[str, str]) -> None:
    bench = Bench()
    bench.answer(cached=4)
    told = bench.value(alias)
    assert told == bench.value(name, **labels)
    assert told
