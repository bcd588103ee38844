"""Callers of the gRPC door who leave, who do not read, or whom the gateway must end or refuse."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry
from tests.stack.grpc_door import BEARER, Answered, Caller, chat, grpc_gateway

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace.gateway.v1 import gateway_pb2_grpc
from headrace_common.clock import SystemClock
from headrace_common.errors import Reason
from headrace_common.grpc_client import create_channel
from headrace_common.runtime import Runtime
from headrace_common.settings import GrpcServiceSettings
from headrace_common.testing.proxy import proxying
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.domain.principal import Limit, LimitKind
from headrace_gateway.grpc.exchanges import SERVICE
from headrace_gateway.grpc.server import serve_grpc
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

LIMIT = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 1000)
SECONDS = 10


class Stalling(EchoTarget):
    """Begins, says `words` words, then nothing until it is closed."""

    def __init__(self, words: int = 1) -> None:
        super().__init__()
        self._words = words
        self.stalled = asyncio.Event()
        self.ended = asyncio.Event()

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        try:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.5, prompt_tokens=7)
            for _ in range(self._words):
                yield Delta(0, "word ", tokens=1)
            await self._stall()
        finally:
            self.ended.set()

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        try:
            await self._stall()
        finally:
            self.ended.set()
        raise AssertionError("it never ends by itself")

    async def _stall(self) -> None:
        self.stalled.set()
        await asyncio.Event().wait()


class Flooding(Stalling):
    """Says more than any buffer holds."""

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        try:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=7)
            while True:
                yield Delta(0, "word " * 4096, tokens=1)
        finally:
            self.ended.set()


async def _left_over(gateway: Gateway) -> int:
    """Tokens of LIMIT that are left, which the next request of all is told."""
    probe = {"model": "echo", "prompt": "a", "max_tokens": 1}
    answer = await gateway.client.post("/v1/completions", json={**probe, "model": "unknown"})
    return int(answer.headers["x-ratelimit-remaining-tokens"])


PROBE_TOKENS = 6
"""What `_left_over` itself reserves: one for the text, four around it, one of the answer."""


@pytest.mark.parametrize("stage", ["identify", "admit", "look_up"])
async def test_a_hang_up_before_the_model_is_asked_leaves_nothing_reserved(stage: str) -> None:
    async with asyncio.timeout(SECONDS), grpc_gateway() as (gateway, caller):
        gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(LIMIT,))
        doors: dict[str, Any] = {
            "identify": gateway.accounts,
            "admit": gateway.limiter,
            "look_up": gateway.answers,
        }
        doors[stage].door = door = Door()
        call = caller.begin(chat(temperature=0, max_tokens=100))
        reading = asyncio.create_task(_drain(call))
        await door.reached.wait()
        call.cancel()
        await gateway.events.until(1)
        door.set()
        [exchange] = gateway.events.exchanges
        assert exchange.outcome is Outcome.CANCELLED
        assert (exchange.prompt_tokens, exchange.completion_tokens) == (0, 0)
        assert await _left_over(gateway) == LIMIT.amount - PROBE_TOKENS
        await asyncio.wait([reading])


class Door(asyncio.Event):
    """Tells when somebody stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Any:
        self.reached.set()
        return await super().wait()


async def _drain(call: Any) -> None:
    async for _ in call:
        pass


@pytest.mark.parametrize("words", [0, 2])
async def test_a_hang_up_stops_the_engine_and_pays_what_was_used(words: int) -> None:
    target = Stalling(words)
    async with asyncio.timeout(SECONDS), grpc_gateway(target) as (gateway, caller):
        gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(LIMIT,))
        call = caller.begin(chat(max_tokens=100))
        reading = asyncio.create_task(_drain(call))
        await target.stalled.wait()
        begun = set(gateway.events.begun)
        call.cancel()
        await target.ended.wait()
        await gateway.events.until(1)
        [exchange] = gateway.events.exchanges
        assert begun == {exchange.request_id}
        assert exchange.outcome is Outcome.CANCELLED
        assert (exchange.prompt_tokens, exchange.completion_tokens) == (7, words)
        assert await _left_over(gateway) == LIMIT.amount - PROBE_TOKENS - 7 - words
        await asyncio.wait([reading])


async def test_a_hang_up_stops_embedding() -> None:
    target = Stalling()
    async with asyncio.timeout(SECONDS), grpc_gateway(target) as (gateway, caller):
        request = pb.EmbedRequest(model="echo", texts=["one two"])
        call = caller.stub.Embed(request, metadata=BEARER, timeout=SECONDS)
        await target.stalled.wait()
        call.cancel()
        await target.ended.wait()
        await gateway.events.until(1)
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED


async def test_a_deadline_that_passes_is_a_hang_up() -> None:
    target = Stalling()
    async with asyncio.timeout(SECONDS), grpc_gateway(target) as (gateway, caller):
        call = caller.stub.Complete(chat(), metadata=BEARER, timeout=1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _drain(call)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await target.ended.wait()
        await gateway.events.until(1)
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED


async def test_a_caller_that_does_not_read_is_cut_off() -> None:
    target = Flooding()
    async with (
        asyncio.timeout(SECONDS),
        grpc_gateway(target, write_timeout_seconds=0.2) as (gateway, caller),
    ):
        messages = aiter(caller.begin(chat()))
        await anext(messages)
        await target.ended.wait()
        await gateway.events.until(1)
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _drain(messages)
        assert caught.value.code() is grpc.StatusCode.CANCELLED


@pytest.mark.parametrize(
    "bounds",
    [
        {"maximum_concurrent_calls": 2, "maximum_share_per_organization": 0.5},
        {
            "maximum_body_bytes": 1024,
            "maximum_body_bytes_in_flight": 2048,
            "maximum_share_per_organization": 0.5,
        },
    ],
    ids=["calls", "bytes"],
)
async def test_one_organization_leaves_room_for_the_others(bounds: dict[str, float]) -> None:
    target = Stalling()
    async with asyncio.timeout(SECONDS), grpc_gateway(target, **bounds) as (gateway, caller):
        gateway.accounts.principals["hr_other"] = replace(PRINCIPAL, organization_id="org_2")
        request = chat("x" * 700)
        held = caller.begin(request)
        reading = asyncio.create_task(_drain(held))
        await target.stalled.wait()
        refused = await caller.complete(request)
        assert refused.error is not None
        assert (refused.error.reason, refused.error.retry_after_seconds) == (Reason.QUEUE_FULL, 1)
        other = caller.begin(request, (("authorization", "Bearer hr_other"),))
        assert (await other.read()).WhichOneof("event") == "started"
        for call in (held, other):
            call.cancel()
        await gateway.events.until(3)
        again = caller.begin(request)
        assert (await again.read()).WhichOneof("event") == "started"
        await asyncio.wait([reading])


async def test_what_does_not_fit_into_the_drain_ends_with_an_error_and_is_a_failure() -> None:
    target = Stalling()
    async with asyncio.timeout(SECONDS), running_gateway(target) as gateway:
        runtime = Runtime(step_seconds=SECONDS)
        port = await _serve(runtime, gateway, [], drain_seconds=0.2)
        async with create_channel(f"127.0.0.1:{port}") as channel:
            caller = Caller(gateway_pb2_grpc.CompletionServiceStub(channel))
            asking = asyncio.create_task(caller.complete(chat()))
            await target.stalled.wait()
            await runtime.close()
            _expect_a_clear_end(await asking)
        assert gateway.events.exchanges[0].outcome is Outcome.FAILED
        assert not runtime.failed


async def _serve(
    runtime: Runtime, gateway: Gateway, missing: list[str], *, drain_seconds: float = 1
) -> int:
    settings = {"grpc_address": "127.0.0.1:0", "drain_seconds": drain_seconds}
    return await serve_grpc(
        runtime,
        gateway.servicer,
        GrpcServiceSettings.model_validate(settings),
        lambda: missing,
        registry=CollectorRegistry(),
        clock=SystemClock(),
    )


def _expect_a_clear_end(answer: Answered) -> None:
    assert answer.error is not None
    assert (answer.text, answer.error.reason) == ("word ", Reason.NOT_SERVING)
    assert answer.code is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_whose_machine_is_gone_has_left() -> None:
    target = Stalling()
    async with (
        asyncio.timeout(SECONDS),
        running_gateway(target, write_timeout_seconds=0.3) as gateway,
    ):
        runtime = Runtime(step_seconds=SECONDS)
        port = await _serve(runtime, gateway, [])
        async with (
            proxying(lambda: asyncio.open_connection("127.0.0.1", port)) as proxy,
            create_channel(f"127.0.0.1:{proxy.port}") as channel,
        ):
            call = Caller(gateway_pb2_grpc.CompletionServiceStub(channel)).begin(chat())
            await target.stalled.wait()
            proxy.freeze()
            await target.ended.wait()
            call.cancel()
        await gateway.events.until(1)
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED
        await runtime.close()


async def test_health_follows_the_gateways_readiness() -> None:
    missing = ["models"]
    async with asyncio.timeout(SECONDS), running_gateway() as gateway:
        runtime = Runtime(step_seconds=SECONDS)
        port = await _serve(runtime, gateway, missing)
        async with create_channel(f"127.0.0.1:{port}") as channel:
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            seen = []
            async for answer in health_pb2_grpc.HealthStub(channel).Watch(request):
                seen.append(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
                missing[:] = [] if len(seen) == 1 else ["draining"]
                if len(seen) == 3:
                    break
        await runtime.close()
    assert seen == ["NOT_SERVING", "SERVING", "NOT_SERVING"]
