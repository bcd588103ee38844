"""The inference service as tests start it, in this process, and its health as Kubernetes asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headrace.inference.v1 import inference_pb2 as pb
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_server import LIVENESS
from headrace_common.runtime import Runtime
from headrace_inference.app import start
from headrace_inference.settings import InferenceSettings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SECONDS = 15


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
    """Wait for it; the watch ends then, for an open one holds a server that stops for a moment."""
    request = health_pb2.HealthCheckRequest()
    watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=SECONDS)
    async for response in watch:
        if response.status == status:
            watch.cancel()
            return


async def liveness(channel: grpc.aio.Channel) -> int:
    return await _check(channel, LIVENESS)


async def readiness(channel: grpc.aio.Channel) -> int:
    return await _check(channel, "")


async def _check(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS)
    status: int = response.status
    return status


async def rest_of(call: grpc.aio.UnaryStreamCall) -> list[pb.GenerateResponse]:
    """The messages that have not been read yet."""
    messages = []
    while (message := await call.read()) is not grpc.aio.EOF:
        messages.append(message)
    return messages


def text_of(messages: list[pb.GenerateResponse]) -> str:
    return "".join(message.delta.text for message in messages)
