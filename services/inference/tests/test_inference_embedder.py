"""The way of a request for embeddings: refused early, in pieces through the line, measured."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.domain.capabilities import Capabilities
from headrace_inference.domain.embeddings import Piece, pieces, shortened
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.objectives import Objectives
from headrace_inference.domain.requests import EmbeddingRequest
from headrace_inference.domain.rules import MAXIMUM_TEXTS
from headrace_inference.domain.run import Stage
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.embedder import Embedder
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.served_model import ServedModel

CONTEXT_TOKENS = 8
REQUEST = EmbeddingRequest("req_1", "org_1", "echo", ("one two", "three"))
LONG = tuple(f"a b c {number}" for number in range(8))
"""Eight texts of four tokens: four pieces."""
OBJECTIVES = Objectives(first_token_seconds=1, per_token_seconds=1)


class Bench:
    """An embedder over an echo engine with one slot, whose every text takes a second."""

    def __init__(self, *, maximum_seconds: float = 60) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.gate = asyncio.Semaphore(10_000)
        self.engine = EchoEngine(
            self.clock, slots=1, context_tokens=CONTEXT_TOKENS, pause=self.pause
        )
        bounds = SchedulerBounds(
            slots=1,
            context_tokens=CONTEXT_TOKENS,
            waiting_requests=2,
            waiting_tokens=100,
            waiting_seconds=60,
            ageing_seconds=30,
        )
        self.scheduler = Scheduler(bounds, self.clock)
        self.served = ServedModel(
            self.engine, self.scheduler, model_id="echo", silent_seconds=10, clock=self.clock
        )
        self.embedder = Embedder(
            self.served,
            InferenceMetrics(self.registry, self.scheduler, OBJECTIVES),
            maximum_seconds=maximum_seconds,
            clock=self.clock,
        )
        self.order: list[str] = []

    async def pause(self) -> None:
        await self.gate.acquire()
        self.clock.advance(1)

    async def embed_for(self, tenant: str, texts: tuple[str, ...]) -> None:
        await self.embedder.embed(replace(REQUEST, organization_id=tenant, texts=texts))
        self.order.append(tenant)

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


async def refusal(bench: Bench, request: EmbeddingRequest) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await bench.embedder.embed(request)
    assert bench.idle()
    return caught.value


async def test_vectors_come_with_what_they_took(bench: Bench) -> None:
    embeddings = await bench.embedder.embed(REQUEST)
    assert len(embeddings.vectors) == 2
    assert embeddings.prompt_tokens == 3
    assert embeddings.model == bench.served.version(REQUEST.model)
    assert (embeddings.queue_seconds, embeddings.engine_seconds) == (0, 2)
    assert bench.idle()


async def test_it_is_measured_like_any_request(bench: Bench) -> None:
    await bench.embedder.embed(REQUEST)
    assert bench.value("llm_tokens_total", type="prompt") == 3
    assert bench.value("llm_tokens_total", type="completion") == 0
    assert bench.value("llm_requests_total", code="OK", finish_reason="") == 1
    assert bench.value("llm_time_to_first_token_seconds_count") == 0
    assert bench.value("llm_goodput_requests_total") == 0


async def test_fewer_dimensions_are_the_first_ones_at_length_one(bench: Bench) -> None:
    [whole, _] = (await bench.embedder.embed(REQUEST)).vectors
    [short, _] = (await bench.embedder.embed(replace(REQUEST, dimensions=3))).vectors
    assert math.hypot(*short) == pytest.approx(1)
    assert short[0] / short[1] == pytest.approx(whole[0] / whole[1])
    assert len(short) == 3


@pytest.mark.parametrize(
    ("changed", "reason", "param"),
    [
        ({"texts": ()}, Reason.INVALID_FIELD, "texts"),
        ({"texts": ("a", "")}, Reason.INVALID_FIELD, "texts[1]"),
        ({"texts": ("a",) * (MAXIMUM_TEXTS + 1)}, Reason.INVALID_FIELD, "texts"),
        ({"texts": ("a", "b " * 9)}, Reason.CONTEXT_LENGTH_EXCEEDED, "texts[1]"),
        ({"texts": ("a", "b" * 64 * 9)}, Reason.CONTEXT_LENGTH_EXCEEDED, "texts[1]"),
        ({"dimensions": 0}, Reason.INVALID_FIELD, "dimensions"),
        ({"dimensions": 9}, Reason.INVALID_FIELD, "dimensions"),
        ({"model": "other"}, Reason.MODEL_NOT_FOUND, "model"),
        ({"request_id": ""}, Reason.INVALID_FIELD, "request_id"),
        ({"organization_id": ""}, Reason.INVALID_FIELD, "organization_id"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_name(
    bench: Bench, changed: dict[str, object], reason: Reason, param: str
) -> None:
    error = await refusal(bench, replace(REQUEST, **changed))  # type: ignore[arg-type]
    assert (error.reason, error.param) == (reason, param)
    assert bench.value("llm_tokens_total", type="prompt") == 0


async def test_a_model_without_embeddings_says_so(bench: Bench) -> None:
    class TextEngine(EchoEngine):
        @property
        def info(self) -> EngineInfo:
            return replace(super().info, capabilities=Capabilities())

    engine = TextEngine(bench.clock, slots=1, context_tokens=8)
    await engine.start()
    served = ServedModel(
        engine, bench.scheduler, model_id="echo", silent_seconds=1, clock=bench.clock
    )
    metrics = InferenceMetrics(CollectorRegistry(), bench.scheduler, OBJECTIVES)
    embedder = Embedder(served, metrics, maximum_seconds=9, clock=bench.clock)
    with pytest.raises(HeadraceError, match="makes no embeddings") as caught:
        await embedder.embed(REQUEST)
    assert caught.value.reason is Reason.UNSUPPORTED_PARAMETER


async def test_a_request_for_many_texts_holds_up_nobody(bench: Bench) -> None:
    bench.gate = asyncio.Semaphore(0)
    many = asyncio.ensure_future(bench.embed_for("org_1", LONG))
    await settle()
    few = asyncio.ensure_future(bench.embed_for("org_2", ("hello",)))
    for _ in range(9):
        bench.gate.release()
    await asyncio.gather(many, few)
    assert bench.order == ["org_2", "org_1"]
    assert bench.idle()


async def test_a_cancelled_request_leaves_nothing_behind(bench: Bench) -> None:
    bench.gate = asyncio.Semaphore(3)
    running = asyncio.ensure_future(bench.embed_for("org_1", LONG))
    await settle()
    assert bench.gate.locked()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.idle()
    assert bench.value("llm_requests_total", code="CANCELLED", finish_reason="") == 1
    for stage in Stage:
        assert bench.value("llm_stream_aborts_total", stage=stage) == 0  # it is no stream


async def test_what_takes_too_long_is_ended() -> None:
    bench = Bench(maximum_seconds=0.01)
    await bench.engine.start()
    bench.gate = asyncio.Semaphore(0)
    error = await refusal(bench, REQUEST)
    assert error.reason is Reason.DEADLINE_EXCEEDED


async def test_a_full_line_refuses_before_anything_is_read(bench: Bench) -> None:
    bench.gate = asyncio.Semaphore(0)
    waiting = [asyncio.ensure_future(bench.embed_for("org_1", ("a",))) for _ in range(3)]
    await settle()
    assert bench.scheduler.load().waiting_requests == 2
    with pytest.raises(HeadraceError) as caught:
        await bench.embedder.embed(REQUEST)
    assert caught.value.reason is Reason.QUEUE_FULL
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert bench.idle()


async def test_only_a_refusal_between_two_pieces_tells_that_work_was_done(bench: Bench) -> None:
    bench.gate = asyncio.Semaphore(0)
    first = asyncio.ensure_future(bench.embed_for("org_1", LONG))
    others = [asyncio.ensure_future(bench.embed_for(org, ("a",))) for org in ("org_2", "org_1")]
    await settle()
    assert bench.scheduler.load().waiting_tokens == 1 + 1
    bench.gate.release()
    bench.gate.release()  # two texts are the first piece
    await settle()
    assert bench.scheduler.load().waiting_tokens == 1 + 8
    others.append(asyncio.ensure_future(bench.embed_for("org_3", ("a",))))
    with pytest.raises(HeadraceError) as caught:
        await first
    assert (caught.value.reason, caught.value.after_work) == (Reason.QUEUE_FULL, True)
    with pytest.raises(HeadraceError) as caught:
        await bench.embed_for("org_3", LONG)
    assert (caught.value.reason, caught.value.after_work) == (Reason.QUEUE_FULL, False)
    for _ in others:
        bench.gate.release()
    await asyncio.gather(*others)
    assert bench.idle()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40))
def test_pieces_hold_every_text_once_and_no_more_than_fits(counts: Sequence[int]) -> None:
    made = list(pieces(counts, 12))
    assert [index for p in made for index in range(p.first, p.last)] == list(range(len(counts)))
    for piece in made:
        assert piece.prompt_tokens == sum(counts[piece.first : piece.last]) <= 12
    for piece, following in pairwise(made):
        assert piece.prompt_tokens + counts[following.first] > 12


def test_a_text_of_its_own_size_is_a_piece() -> None:
    assert list(pieces([20, 3], 12)) == [Piece(0, 1, 20), Piece(1, 2, 3)]


def test_a_vector_that_begins_with_zeros_stays_so() -> None:
    assert shortened([0.0, 0.0, 1.0], 2) == [0.0, 0.0]
