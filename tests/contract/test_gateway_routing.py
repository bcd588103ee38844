"""Routing over gRPC: the port's suite, stalls, cohorts, and tables that change under a stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_server import Registration, start_grpc_server
from headrace_common.runtime import Runtime
from headrace_common.settings import GrpcServiceSettings
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.inference_grpc import GrpcInferenceTarget
from headrace_gateway.domain.circuit import CircuitRules
from headrace_gateway.domain.completion import CompletionRequest, Delta, Event, Events, Started
from headrace_gateway.domain.embedding import EmbeddingRequest
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.routes import Endpoint, RouteTable, Target
from headrace_gateway.routing import start_router
from headrace_gateway.routing_metrics import RoutingMetrics
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.infer import Infer
from headrace_gateway.stages.route import Router
from headrace_gateway.stages.servers import Servers
from headrace_gateway.testing.gateway import PRINCIPAL
from headrace_gateway.testing.inference_suite import InferenceTargetSuite
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.app import build
from headrace_inference.servicer import InferenceServicer
from headrace_inference.settings import InferenceSettings

REQUEST = CompletionRequest("echo", "one two")


class Watched(inference_pb2_grpc.InferenceServiceServicer):
    """Serves `echo`, a word at a time: goes on when told to; remembers the calls' cohorts."""

    def __init__(self) -> None:
        self.reading, self.go_on = asyncio.Event(), asyncio.Event()
        self.reading.set()
        self.telling = asyncio.Event()
        """Nobody hears what is served here while it is not set."""
        self.telling.set()
        self.calls: list[tuple[str, str]] = []
        """Names and cohorts."""
        self._called = asyncio.Condition()

    async def until_called(self, *call: str) -> None:
        async with self._called:
            await self._called.wait_for(lambda: call in self.calls)

    async def _note(self, call: str, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        async with self._called:
            self.calls.append((call, metadata.get("x-headrace-cohort", "")))
            self._called.notify_all()

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        await self._note("Generate", context)
        model = pb.ModelVersion(id="echo", version="v1")
        yield pb.GenerateResponse(started=pb.Started(model=model, prompt_tokens=2))
        await self.reading.wait()
        yield pb.GenerateResponse(delta=pb.Delta(text="one", tokens=1))
        await self.go_on.wait()
        yield pb.GenerateResponse(delta=pb.Delta(text=" two", tokens=1))
        reasons = [pb.FINISH_REASON_STOP]
        yield pb.GenerateResponse(finished=pb.Finished(model=model, finish_reasons=reasons))

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        await self._note("Embed", context)
        return pb.EmbedResponse(vectors=[b"1234" for _ in request.texts])

    async def ListModels(self, request: Any, context: Any) -> pb.ListModelsResponse:
        await self._note("ListModels", context)
        await self.telling.wait()
        info = pb.ModelInfo(model=pb.ModelVersion(id="echo", version="v1"), context_tokens=9)
        return pb.ListModelsResponse(models=[info])

    async def GetLoad(self, request: Any, context: Any) -> pb.GetLoadResponse:
        await self._note("GetLoad", context)
        return pb.GetLoadResponse(saturation=0.5)


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[Watched, str]]:
    """The servicer and its server's address."""
    servicer = Watched()
    registration = Registration(
        "headrace.inference.v1.InferenceService",
        inference_pb2_grpc.add_InferenceServiceServicer_to_server,
        servicer,
    )
    runtime = Runtime(step_seconds=5)
    settings = GrpcServiceSettings(grpc_address="127.0.0.1:0", drain_seconds=0.5)
    server = await start_grpc_server(
        runtime, settings, [registration], registry=CollectorRegistry(), clock=SystemClock()
    )
    await server.set_serving(True)
    try:
        yield servicer, f"127.0.0.1:{server.port}"
    finally:
        servicer.go_on.set()
        servicer.telling.set()
        await runtime.close()


class TestGrpcInferenceTarget(InferenceTargetSuite):
    @pytest.fixture
    async def target(self) -> AsyncIterator[GrpcInferenceTarget]:
        engine = EchoEngine(FakeClock(), slots=5, context_tokens=16)
        await engine.start()
        settings = InferenceSettings(engine="echo", model_id="echo", slots=5, queue_length=1)
        use_cases = build(settings, engine=engine, registry=CollectorRegistry(), clock=FakeClock())
        async with serving([InferenceServicer(use_cases).registration()]) as channel:
            yield GrpcInferenceTarget(channel, generation_seconds=60)


async def test_silence_in_the_middle_of_an_answer_ends_it() -> None:
    async with watched() as (_, address), create_channel(address) as channel:
        target = GrpcInferenceTarget(channel, generation_seconds=60, stall_seconds=0.05)
        answer = target.generate("r", "org_1", REQUEST)
        assert isinstance(await anext(answer), Started)
        assert await anext(answer) == Delta(0, "one", 1)
        with pytest.raises(HeadraceError, match="fell silent in the middle") as caught:
            await anext(answer)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_before_the_first_token_silence_is_the_reading_of_a_long_prompt() -> None:
    async with watched() as (servicer, address), create_channel(address) as channel:
        servicer.reading.clear()
        target = GrpcInferenceTarget(channel, generation_seconds=60, stall_seconds=0.05)
        answer = target.generate("r", "org_1", REQUEST)
        assert isinstance(await anext(answer), Started)
        later = asyncio.create_task(collect(answer))
        await asyncio.sleep(0.2)  # four times as long as silence may last later
        servicer.reading.set()
        servicer.go_on.set()
        assert "".join(texts(await later)) == "one two"


async def test_every_call_carries_the_cohort_of_its_target() -> None:
    async with watched() as (servicer, address), create_channel(address) as channel:
        servicer.go_on.set()
        for cohort in ("canary", ""):
            target = GrpcInferenceTarget(channel, generation_seconds=60, cohort=cohort)
            assert await collect(target.generate("r", "o", REQUEST))
            await target.embed("r", "o", EmbeddingRequest("echo", ("a",)))
            await target.models()
            assert await target.load() == 0.5
    calls = ("Generate", "Embed", "ListModels", "GetLoad")
    assert servicer.calls == [(call, cohort) for cohort in ("canary", "") for call in calls]


async def collect(answer: Events) -> list[Event]:
    return [event async for event in answer]


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Delta)]


class Connections:
    """Makes targets over channels of their own, and remembers them."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.made: list[str] = []
        self.channels: dict[str, grpc.aio.Channel] = {}

    def connect(self, endpoint: Endpoint) -> GrpcInferenceTarget:
        channel = create_channel(self._address)
        self.made.append(endpoint.cohort)
        self.channels[endpoint.cohort] = channel
        return GrpcInferenceTarget(channel, generation_seconds=60, cohort=endpoint.cohort)


def table(*cohorts: str) -> RouteTable:
    return {"echo": (tuple(Target(Endpoint("x:1", cohort), "echo") for cohort in cohorts),)}


async def until_closed(channel: grpc.aio.Channel) -> None:
    async with asyncio.timeout(10):
        while channel.get_state() is not grpc.ChannelConnectivity.SHUTDOWN:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def routing(connections: Connections) -> AsyncIterator[tuple[Router, Servers]]:
    servers = Servers(
        connections.connect, CircuitRules(), SystemClock(), RoutingMetrics(CollectorRegistry())
    )
    router = Router(servers, refresh_seconds=0.01, load_seconds=0.01)
    router.apply(table("old", "kept"))
    refreshing = asyncio.create_task(router.keep_fresh())
    try:
        await asyncio.wait_for(router.known.wait(), 10)
        yield router, servers
    finally:
        refreshing.cancel()
        await asyncio.wait([refreshing])
        await router.close()


async def test_a_stream_survives_a_table_without_its_server_whose_channel_closes_then() -> None:
    async with watched() as (servicer, address):
        connections = Connections(address)
        async with routing(connections) as (router, servers):
            old = servers[Endpoint("x:1", "old")]
            with old.in_use():
                answer = old.target.generate("r", "o", REQUEST)
                assert isinstance(await anext(answer), Started)
                router.apply(table("kept", "new"))
                await asyncio.wait_for(servicer.until_called("GetLoad", "new"), 10)
                servicer.go_on.set()
                assert "".join(texts(await collect(answer))) == "one two"
            await until_closed(connections.channels["old"])
            kept = servers[Endpoint("x:1", "kept")]
            assert [card.model.version for card in await kept.target.models()] == ["v1"]
        assert sorted(connections.made) == ["kept", "new", "old"]


async def test_a_server_that_leaves_while_it_is_asked_ends_no_questions() -> None:
    async with watched() as (servicer, address):
        connections = Connections(address)
        async with routing(connections) as (router, _):
            servicer.telling.clear()
            servicer.calls.clear()
            await asyncio.wait_for(servicer.until_called("ListModels", "old"), 10)
            router.apply(table("kept", "new"))
            for _ in range(2):  # the second time the connections of who left have been looked at
                servicer.calls.clear()
                await asyncio.wait_for(servicer.until_called("GetLoad", "new"), 10)
            servicer.telling.set()
            await asyncio.wait_for(servicer.until_called("ListModels", "new"), 10)
            await until_closed(connections.channels["old"])
            assert router.cards_for(PRINCIPAL)


async def test_a_server_whose_connection_has_gone_since_it_was_chosen_is_passed_over() -> None:
    asking = Exchange(
        "r", Activity.COMPLETION, "", "", "", SystemClock().now(), 0.0, cohort_asked="old"
    )
    async with watched() as (servicer, address):
        connections = Connections(address)
        servicer.go_on.set()
        async with routing(connections) as (router, servers):
            route = router.run(asking, PRINCIPAL, "echo")
            assert [choice.server.endpoint.cohort for choice in route.choices] == ["old", "kept"]
            router.apply(table("kept"))
            await until_closed(connections.channels["old"])
            infer = Infer(servers.metrics, maximum_attempts=3, generation_seconds=60)
            answer = await collect(infer.generate(asking, "o", REQUEST, route))
    assert "".join(texts(answer)) == "one two"
    assert (asking.cohort, asking.attempts) == ("kept", 1)


def settings(**told: object) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "auth_target": "unused:1",
            "cache_target": "unused:1",
            "audit_target": "unused:1",
            "admission_redis_url": "unix:///unused",
            "spool_directory": "unused",
            **told,
        }
    )


@pytest.mark.parametrize("told_by", ["models", "routes_file"])
async def test_a_gateway_is_put_together_with_either_table(told_by: str, tmp_path: Path) -> None:
    async with watched() as (servicer, address):
        file = tmp_path / "routes.yaml"
        file.write_text(f"models: {{echo: [{{targets: [{{address: '{address}'}}]}}]}}")
        told = {"models": {"echo": address}, "routes_file": file}[told_by]
        runtime, registry = Runtime(step_seconds=5), CollectorRegistry()
        router = start_router(settings(**{told_by: told}), runtime, SystemClock(), registry)
        try:
            await asyncio.wait_for(router.known.wait(), 10)
            await asyncio.wait_for(servicer.until_called("GetLoad", ""), 10)
            assert [card.model.id for card in router.cards_for(PRINCIPAL)] == ["echo"]
        finally:
            await runtime.close()
        assert not runtime.failed


async def test_a_file_that_breaks_a_rule_ends_the_process(tmp_path: Path) -> None:
    runtime = Runtime(step_seconds=5)
    absent = settings(routes_file=tmp_path / "absent.yaml")
    start_router(absent, runtime, SystemClock(), CollectorRegistry())
    await asyncio.wait_for(runtime.until_stop(), 10)
    await runtime.close()
    assert runtime.failed


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"models": {"echo": "a:1"}, "routes_file": "routes.yaml"},
        {"routes_file": "routes.yaml", "kubernetes_namespace": "llm"},
    ],
)
def test_the_table_comes_from_one_place(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one of models, routes_file and kubernetes_"):
        settings(**told)


@pytest.mark.parametrize(
    "told",
    [
        {"models": {}},
        {"models": {"echo": "a"}},
        {"models": {"e" * 201: "a:1"}},
        {"kubernetes_namespace": "A b"},
    ],
)
def test_each_place_has_its_rule(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(told))):
        settings(**told)
