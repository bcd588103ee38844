"""The gateway's GrpcInferenceTarget against the real InferenceService."""

import asyncio
import math
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.inference_grpc import GrpcInferenceTarget
from headrace_gateway.domain.completion import (
    Capabilities as PublicCapabilities,
)
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Event,
    Finished,
    Message,
    ModelCard,
    ModelVersion,
    ResponseFormat,
    Sampling,
    Started,
    TokenLogprob,
    Tool,
)
from headrace_gateway.domain.embedding import EmbeddingRequest
from headrace_gateway.http.bodies import parse_body
from headrace_gateway.http.openai_schema import ChatCompletionBody
from headrace_inference.adapters.echo import DIGEST, DIMENSIONS, EchoEngine
from headrace_inference.app import build
from headrace_inference.domain import events, requests
from headrace_inference.domain.capabilities import Capabilities, Feature
from headrace_inference.domain.models import EngineInfo
from headrace_inference.ports import Engine
from headrace_inference.servicer import InferenceServicer
from headrace_inference.settings import InferenceSettings

ECHO = ModelVersion("echo", DIGEST[:12])
REQUEST = CompletionRequest("echo", "one two")
LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class ScriptedEngine:
    """An Engine that gives the events it was made with, and keeps the requests that reached it."""

    def __init__(self, *script: events.EngineEvent) -> None:
        everything = Capabilities(frozenset(Feature), embedding_dimensions=2)
        self.info = EngineInfo("scripted", DIGEST, 2048, 5, LOADED_AT, everything)
        self.requests: list[requests.GenerationRequest] = []
        self._script = script

    async def start(self) -> None:
        pass

    async def health(self) -> None:
        pass

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass

    async def tokenize(
        self, prompt: requests.Prompt, tools: tuple[requests.Tool, ...] = ()
    ) -> tuple[int, ...]:
        return (1, 2, 3)

    async def embed(
        self, request: requests.EmbeddingRequest, prompt_tokens: tuple[tuple[int, ...], ...]
    ) -> Sequence[Sequence[float]]:
        return [(0.6, 0.8) for _ in request.texts]

    async def check(self, request: requests.GenerationRequest) -> None:
        self.requests.append(request)

    async def generate(
        self, request: requests.GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[events.EngineEvent, None]:
        yield events.Accepted()
        for event in self._script:
            yield event
        for choice in range(request.sampling.choices):
            yield events.ChoiceFinished(choice, events.FinishReason.LENGTH, 7)


class KeepingChannel:
    """A channel that keeps its calls: gRPC itself cancels a call that nobody holds any more."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._calls: list[grpc.aio.UnaryStreamCall] = []

    def unary_unary(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        start: Callable[..., Any] = self._channel.unary_unary(*arguments, **options)
        return start

    def unary_stream(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        start = self._channel.unary_stream(*arguments, **options)

        def start_and_keep(*arguments: Any, **options: Any) -> grpc.aio.UnaryStreamCall:
            self._calls.append(start(*arguments, **options))
            return self._calls[-1]

        return start_and_keep


@asynccontextmanager
async def inference(
    engine: Engine, *, slots: int = 5, registry: CollectorRegistry | None = None
) -> AsyncIterator[GrpcInferenceTarget]:
    settings = InferenceSettings(engine="echo", model_id="echo", slots=slots, queue_length=1)
    use_cases = build(
        settings, engine=engine, registry=registry or CollectorRegistry(), clock=FakeClock()
    )
    async with serving([InferenceServicer(use_cases).registration()]) as channel:
        yield GrpcInferenceTarget(KeepingChannel(channel), generation_seconds=60)


async def echo_engine(**options: Any) -> EchoEngine:
    engine = EchoEngine(FakeClock(LOADED_AT), **{"slots": 5, "context_tokens": 16} | options)
    await engine.start()
    return engine


async def collect(target: GrpcInferenceTarget, request: CompletionRequest) -> list[Event]:
    return [event async for event in target.generate("req_1", "org_1", request)]


async def refusal(target: GrpcInferenceTarget, request: CompletionRequest) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await collect(target, request)
    return caught.value


async def until(satisfied: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not satisfied():  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.005)


def chat(text: str, **sampling: Any) -> CompletionRequest:
    return CompletionRequest("echo", (Message("user", text),), Sampling(**sampling))


async def test_every_choice_is_told_apart() -> None:
    async with inference(await echo_engine()) as target:
        got = await collect(target, chat("one two", choices=2))
    assert got == [
        Started(ECHO, queue_seconds=0.0, prompt_tokens=2),
        Delta(0, "one two", tokens=2),
        Delta(1, "one two", tokens=2),
        Finished(ECHO, ("stop", "stop"), prompt_tokens=2, completion_tokens=4),
    ]


async def test_a_stop_text_and_a_bound_end_the_answer() -> None:
    async with inference(await echo_engine()) as target:
        stopped = await collect(target, replace(REQUEST, sampling=Sampling(stop=("tw",))))
        cut = await collect(target, replace(REQUEST, sampling=Sampling(max_tokens=1)))
    # The echo engine passes " " on once "tw" is complete, as the text of the token that ended it.
    assert [event.text for event in stopped if isinstance(event, Delta)] == ["one "]
    assert stopped[-1] == Finished(ECHO, ("stop",), 2, 2)
    assert [event.text for event in cut if isinstance(event, Delta)] == ["one"]
    assert cut[-1] == Finished(ECHO, ("length",), 2, 1)


async def test_logprobs_arrive_with_their_rivals_and_bytes() -> None:
    rivals = (
        events.TokenLogprob("\ufffd", b"\xf0\x9f", -0.5),
        events.TokenLogprob("b", b"b", -1.25),
    )
    told = events.TokenLogprob("\ufffd", b"\xf0\x9f", -0.5, rivals)
    engine = ScriptedEngine(events.Delta(1, "\N{GRINNING FACE}", 2, (told, rivals[1])))
    async with inference(engine) as target:
        got = await collect(target, chat("x", choices=2, top_logprobs=2))
    same = (TokenLogprob("\ufffd", -0.5, b"\xf0\x9f"), TokenLogprob("b", -1.25, b"b"))
    first = TokenLogprob("\ufffd", -0.5, b"\xf0\x9f", top=same)
    assert got[1:] == [
        Delta(1, "\N{GRINNING FACE}", 2, (first, same[1])),
        Finished(ECHO, ("length", "length"), 3, 14),
    ]


async def test_the_owner_reads_what_the_gateway_wrote() -> None:
    wanted = CompletionRequest(
        "echo",
        (Message("system", "Be brief."), Message("user", "Why?")),
        Sampling(9, 0.25, 0.5, -7, ("a", "b"), 0.75, -1.5, {7: 1.5, 2**32 - 1: -100.0}, 3, 4),
        ResponseFormat('{"type": "object"}'),
    )
    engine = ScriptedEngine()
    async with inference(engine) as target:
        await collect(target, wanted)
        await collect(target, replace(REQUEST, response_format=ResponseFormat()))
    messages = (requests.Message("system", "Be brief."), requests.Message("user", "Why?"))
    sampling = requests.Sampling(
        max_tokens=9,
        temperature=0.25,
        top_p=0.5,
        seed=-7,
        stop=("a", "b"),
        frequency_penalty=0.75,
        presence_penalty=-1.5,
        logit_bias={7: 1.5, 2**32 - 1: -100.0},
        choices=3,
        top_logprobs=4,
    )
    form = requests.JsonSchema('{"type": "object"}')
    request = requests.GenerationRequest
    assert engine.requests == [
        request("req_1", "org_1", "echo", messages, sampling, form),
        request("req_1", "org_1", "echo", "one two", response_format=requests.JsonObject()),
    ]


async def test_zeros_are_sent_and_not_taken_for_absent() -> None:
    engine = ScriptedEngine()
    zeros: dict[str, Any] = {"temperature": 0.0, "seed": 0, "top_logprobs": 0}
    async with inference(engine) as target:
        await collect(target, chat("x", **zeros))
    assert engine.requests[0].sampling == requests.Sampling(**zeros)


async def test_closing_early_stops_the_work_behind_it() -> None:
    gate, registry = asyncio.Event(), CollectorRegistry()
    engine = await echo_engine(slots=1, pause=gate.wait)
    async with inference(engine, slots=1, registry=registry) as target:
        answer = target.generate("req_1", "org_1", REQUEST)
        assert isinstance(await anext(answer), Started)
        waiting = asyncio.create_task(collect(target, REQUEST))
        await until(lambda: registry.get_sample_value("llm_requests_waiting") == 1)
        assert registry.get_sample_value("llm_requests_running") == 1

        waiting.cancel()
        await until(lambda: registry.get_sample_value("llm_requests_waiting") == 0)
        await answer.aclose()
        await until(lambda: registry.get_sample_value("llm_requests_running") == 0)
        await asyncio.wait([waiting])
        assert waiting.cancelled()


@pytest.mark.parametrize(
    ("request_", "reason", "param"),
    [
        (chat("x", choices=3), Reason.UNSUPPORTED_PARAMETER, "n"),
        (chat("x " * 20), Reason.CONTEXT_LENGTH_EXCEEDED, "messages"),
        (CompletionRequest("echo", "x " * 20), Reason.CONTEXT_LENGTH_EXCEEDED, "prompt"),
        (CompletionRequest("echo", ()), Reason.INVALID_FIELD, "messages"),
        (CompletionRequest("echo", ""), Reason.INVALID_FIELD, "prompt"),
        (CompletionRequest("other", "x"), Reason.MODEL_NOT_FOUND, "model"),
        (replace(REQUEST, tools=(Tool("f", "", "{}"),)), Reason.UNSUPPORTED_PARAMETER, "tools"),
        (
            replace(REQUEST, response_format=ResponseFormat("{}")),
            Reason.UNSUPPORTED_PARAMETER,
            "response_format",
        ),
    ],
)
async def test_refusals_name_the_field_as_callers_know_it(
    request_: CompletionRequest, reason: Reason, param: str
) -> None:
    async with inference(await echo_engine(slots=2), slots=2) as target:
        error = await refusal(target, request_)
    assert (error.reason, error.param) == (reason, param)


async def test_models_are_listed_as_cards() -> None:
    async with inference(await echo_engine()) as target:
        cards = await target.models()
    able = PublicCapabilities(True, ("messages", "messages.name", "n"), DIMENSIONS)
    assert cards == [ModelCard(ECHO, 16, int(LOADED_AT.timestamp()), capabilities=able)]


async def test_a_batch_s_request_is_told_from_an_interactive_one() -> None:
    engine = ScriptedEngine()
    async with inference(engine) as target:
        await collect(target, REQUEST)
        await collect(target, replace(REQUEST, priority="batch"))
    assert [asked.priority for asked in engine.requests] == ["interactive", "batch"]


async def test_a_nucleus_of_nothing_is_the_likeliest_token() -> None:
    engine = ScriptedEngine()
    async with inference(engine) as target:
        await collect(target, chat("x", top_p=0.0))
    assert 0 < engine.requests[0].sampling.top_p < 1e-6


@pytest.mark.parametrize(
    ("field", "largest", "too_large"),
    [
        ("stop", "\N{GRINNING FACE}" * 512, "\N{GRINNING FACE}" * 513),
        ("stop", ["a", "b", "c", "d"], ["a", "b", "c", "d", "e"]),
        ("n", 5, 6),
        ("top_logprobs", 20, 21),
        ("temperature", 2.0, 2.1),
        ("top_p", 1.0, 1.1),
        ("frequency_penalty", 2.0, 2.1),
        ("presence_penalty", -2.0, -2.1),
        ("logit_bias", {"7": 100.0}, {"7": 100.1}),
        ("max_tokens", 2**31 - 1, 2**31),
    ],
)
async def test_inference_takes_the_largest_that_the_gateway_lets_pass(
    field: str, largest: object, too_large: object
) -> None:
    given = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "logprobs": True}
    body = ChatCompletionBody.model_validate({**given, field: largest})
    engine = ScriptedEngine()
    async with inference(engine) as target:
        await collect(
            target, parse_body(ChatCompletionBody, body.model_dump_json().encode()).domain()
        )
    assert len(engine.requests) == 1
    with pytest.raises(ValueError, match=field):
        ChatCompletionBody.model_validate({**given, field: too_large})


async def test_embeddings_come_as_the_server_packs_them() -> None:
    wanted = EmbeddingRequest("echo", ("one two", "three"), dimensions=4)
    async with inference(await echo_engine()) as target:
        embeddings = await target.embed("r", "org_1", wanted)
    assert (embeddings.model, embeddings.prompt_tokens) == (ECHO, 3)
    vectors = [struct.unpack("<4f", vector) for vector in embeddings.vectors]
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("wanted", "reason", "param"),
    [
        (EmbeddingRequest("echo", ("x", "x " * 20)), Reason.CONTEXT_LENGTH_EXCEEDED, "input[1]"),
        (EmbeddingRequest("echo", ("",)), Reason.INVALID_FIELD, "input[0]"),
        (EmbeddingRequest("echo", ("x",), dimensions=9), Reason.INVALID_FIELD, "dimensions"),
        (EmbeddingRequest("other", ("x",)), Reason.MODEL_NOT_FOUND, "model"),
    ],
)
async def test_refused_embeddings_name_the_field_as_callers_know_it(
    wanted: EmbeddingRequest, reason: Reason, param: str
) -> None:
    async with inference(await echo_engine()) as target:
        with pytest.raises(HeadraceError) as caught:
            await target.embed("r", "org_1", wanted)
    assert (caught.value.reason, caught.value.param) == (reason, param)
    assert param in caught.value.message or param == "model"
    assert "texts[" not in caught.value.message
