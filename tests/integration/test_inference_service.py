"""The inference service: a stalled engine loses readiness, and a drain loses no answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_server import LIVENESS
from headrace_common.runtime import Runtime
from headrace_inference.app import start
from headrace_inference.settings import InferenceSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SECONDS = 15
QUESTION = pb.GenerateRequest(
    request_id="r", organization_id="o", model="echo", prompt="one two three four five"
)


@pytest.fixture
def settings(unused_tcp_port: int) -> InferenceSettings:
    return InferenceSettings(
        engine="echo",
        model_id="echo",
        grpc_address=f"127.0.0.1:{unused_tcp_port}",
        metrics_address="127.0.0.1:0",
        drain_seconds=10,
        silent_seconds=0.2,
    )


@asynccontextmanager
async def running(settings: InferenceSettings) -> AsyncIterator[tuple[Runtime, grpc.aio.Channel]]:
    runtime = Runtime(step_seconds=15)
    try:
        await start(settings, runtime)
        async with create_channel(settings.grpc_address) as channel:
            await until(channel, SERVING)
            yield runtime, channel
    finally:
        await runtime.close()


async def until(channel: grpc.aio.Channel, status: int) -> None:
    """An open watch would keep the server from stopping, so it is ended when its time has come."""
    request = health_pb2.HealthCheckRequest()
    watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=SECONDS)
    async for response in watch:
        if response.status == status:
            watch.cancel()
            return


async def liveness(channel: grpc.aio.Channel) -> int:
    request = health_pb2.HealthCheckRequest(service=LIVENESS)
    response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS)
    status: int = response.status
    return status


async def test_a_stalled_engine_loses_readiness_and_not_its_life(
    settings: InferenceSettings,
) -> None:
    async with running(settings.model_copy(update={"echo_stalling_every": 1})) as (_, channel):
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        call = stub.Generate(QUESTION, timeout=60)
        assert (await call.read()).WhichOneof("event") == "started"
        await until(channel, NOT_SERVING)
        assert await liveness(channel) == SERVING
        load = await stub.GetLoad(pb.GetLoadRequest(), timeout=SECONDS)
        assert load.running_requests == 1
        call.cancel()
        await until(channel, SERVING)


async def test_an_answer_that_has_begun_ends_while_the_service_drains(
    settings: InferenceSettings,
) -> None:
    async with running(settings.model_copy(update={"echo_token_seconds": 0.1})) as (
        runtime,
        channel,
    ):
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        call = stub.Generate(QUESTION, timeout=60)
        assert (await call.read()).WhichOneof("event") == "started"
        closing = asyncio.create_task(runtime.close())
        messages = []
        while (message := await call.read()) is not grpc.aio.EOF:
            messages.append(message)
        assert "".join(message.delta.text for message in messages) == QUESTION.prompt
        assert messages[-1].WhichOneof("event") == "finished"
        await closing
