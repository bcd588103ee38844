"""InferenceService as its proto promises: a real servicer and a real stub on a free port."""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import from_rpc_error
from headrace_common.testing.grpc import serving
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.app import build
from headrace_inference.servicer import InferenceServicer
from headrace_inference.settings import InferenceSettings


@dataclass
class Served:
    """A stub, and the gate that each of the engine's tokens has to pass."""

    stub: inference_pb2_grpc.InferenceServiceStub
    gate: asyncio.Event
    registry: CollectorRegistry

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    async def until(self, name: str, wanted: float, **labels: str) -> None:
        async with asyncio.timeout(5):
            while self.count(name, **labels) != wanted:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.005)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    settings = InferenceSettings(engine="echo", model_id="echo", slots=1, queue_length=1)
    gate, registry, clock = asyncio.Event(), CollectorRegistry(), SystemClock()
    gate.set()
    engine = EchoEngine(clock, slots=1, context_tokens=16, pause=gate.wait)
    await engine.start()
    use_cases = build(settings, engine=engine, registry=registry, clock=clock)
    servicer = InferenceServicer(use_cases)
    async with serving([servicer.registration()]) as channel:
        yield Served(inference_pb2_grpc.InferenceServiceStub(channel), gate, registry)


def request(**changes: Any) -> pb.GenerateRequest:
    fields = {"request_id": "r", "model": "echo", "organization_id": "o", "prompt": "one two"}
    return pb.GenerateRequest(**(fields | changes))


async def refusal(served: Served, message: pb.GenerateRequest) -> HeadraceError:
    call = served.stub.Generate(message, timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert not await call.initial_metadata(), "a refusal must come in the response headers"
    return from_rpc_error(caught.value, "inference")


async def test_a_stream_is_started_deltas_finished(served: Served) -> None:
    chat = pb.ChatInput(messages=[pb.ChatMessage(role="user", content="one two")])
    call = served.stub.Generate(request(prompt=None, chat=chat), timeout=5)
    messages = [message async for message in call]
    kinds = [message.WhichOneof("event") for message in messages]
    assert kinds == ["started", "delta", "delta", "finished"]
    assert "".join(message.delta.text for message in messages) == "one two"
    finished = messages[-1].finished
    assert list(finished.finish_reasons) == [pb.FINISH_REASON_STOP]
    assert (finished.prompt_tokens, finished.completion_tokens) == (2, 2)
    assert finished.model == messages[0].started.model
    assert finished.model.id == "echo"
    assert finished.model.version == finished.model.digest[:12]
    assert finished.timings.HasField("first_token")


@pytest.mark.parametrize(
    ("changes", "reason", "param"),
    [
        ({"model": "other"}, Reason.MODEL_NOT_FOUND, "model"),
        ({"prompt": ""}, Reason.INVALID_FIELD, "prompt"),
        ({"request_id": ""}, Reason.INVALID_FIELD, "request_id"),
        ({"prompt": "x " * 16}, Reason.CONTEXT_LENGTH_EXCEEDED, "prompt"),
        ({"tools": [pb.Tool(name="f")]}, Reason.UNSUPPORTED_PARAMETER, "tools"),
        ({"tool_choice": "required"}, Reason.UNSUPPORTED_PARAMETER, "tool_choice"),
        (
            {"response_format": pb.ResponseFormat(regex=pb.RegexFormat(pattern="a"))},
            Reason.UNSUPPORTED_PARAMETER,
            "response_format.grammar",
        ),
        (
            {"response_format": pb.ResponseFormat(grammar=pb.GrammarFormat())},
            Reason.INVALID_FIELD,
            "response_format.grammar",
        ),
        ({"sampling": pb.SamplingParameters(temperature=3)}, Reason.INVALID_FIELD, "temperature"),
        ({"sampling": pb.SamplingParameters(max_tokens=0)}, Reason.INVALID_FIELD, "max_tokens"),
        ({"sampling": pb.SamplingParameters(top_p=0)}, Reason.INVALID_FIELD, "top_p"),
    ],
)
async def test_refusals_come_before_the_first_message(
    served: Served, changes: dict[str, object], reason: Reason, param: str
) -> None:
    error = await refusal(served, request(**changes))
    assert (error.reason, error.param) == (reason, param)


async def test_sampling_reaches_the_engine(served: Served) -> None:
    sampling = pb.SamplingParameters(max_tokens=2, stop=["tw"], temperature=0, seed=1)
    call = served.stub.Generate(request(sampling=sampling), timeout=5)
    messages = [message async for message in call]
    assert "".join(message.delta.text for message in messages) == "one "


async def test_a_full_queue_is_shed_with_a_hint(served: Served) -> None:
    served.gate.clear()
    calls = [served.stub.Generate(request(), timeout=5) for _ in range(2)]
    reads = [asyncio.ensure_future(call.read()) for call in calls]
    await served.until("llm_requests_waiting", 1)
    error = await refusal(served, request())
    assert error.reason is Reason.QUEUE_FULL
    assert error.retry_after_seconds is not None
    for call in calls:
        call.cancel()
    await served.until("llm_requests_running", 0)
    await asyncio.wait(reads)


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_caller_that_goes_away_frees_the_slot(served: Served, how: str) -> None:
    served.gate.clear()
    call = served.stub.Generate(request(), timeout=0.3 if how == "deadline" else 5)
    assert (await call.read()).WhichOneof("event") == "started"
    assert served.count("llm_requests_running") == 1
    if how == "cancel":
        call.cancel()
    await served.until("llm_requests_running", 0)
    await served.until("llm_requests_total", 1, code="CANCELLED", finish_reason="")


async def test_the_load_is_told(served: Served) -> None:
    served.gate.clear()
    call = served.stub.Generate(request(), timeout=5)
    assert (await call.read()).WhichOneof("event") == "started"
    load = await served.stub.GetLoad(pb.GetLoadRequest(), timeout=5)
    assert (load.running_requests, load.running_slots, load.waiting_requests) == (1, 1, 0)
    assert load.saturation == load.running_slots / load.slots
    assert load.tokens_in_flight > 0
    call.cancel()
    await served.until("llm_tokens_in_flight", 0)


async def test_models_are_listed(served: Served) -> None:
    (model,) = (await served.stub.ListModels(pb.ListModelsRequest(), timeout=5)).models
    assert (model.model.id, model.engine, model.context_tokens) == ("echo", "echo", 16)
    assert model.loaded_at_seconds > 0


async def test_tokens_are_counted_and_returned_on_demand(served: Served) -> None:
    counted = await served.stub.Tokenize(pb.TokenizeRequest(model="echo", text="a b c"), timeout=5)
    assert (counted.count, list(counted.ids)) == (3, [])
    chat = pb.ChatInput(messages=[pb.ChatMessage(role="user", content="a b")])
    listed = await served.stub.Tokenize(
        pb.TokenizeRequest(model="echo", chat=chat, include_ids=True), timeout=5
    )
    assert len(listed.ids) == listed.count == 2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.Tokenize(pb.TokenizeRequest(model="x", text="a"), timeout=5)
    assert from_rpc_error(caught.value, "inference").reason is Reason.MODEL_NOT_FOUND


async def test_embeddings_come_packed_as_little_endian_floats(served: Served) -> None:
    message = pb.EmbedRequest(
        request_id="r", model="echo", organization_id="o", texts=["one two", "three"]
    )
    answer = await served.stub.Embed(message, timeout=5)
    vectors = [struct.unpack("<8f", packed) for packed in answer.vectors]
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1, 1], abs=1e-6)
    assert (answer.prompt_tokens, answer.model.id) == (3, "echo")
    message.dimensions = 2
    short = await served.stub.Embed(message, timeout=5)
    assert [len(packed) for packed in short.vectors] == [8, 8]


async def test_embeddings_are_refused_by_name(served: Served) -> None:
    message = pb.EmbedRequest(request_id="r", model="echo", organization_id="o", texts=["a", ""])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.Embed(message, timeout=5)
    error = from_rpc_error(caught.value, "inference")
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "texts[1]")
