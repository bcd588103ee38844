"""A real gRPC server on a free loopback port, for contract tests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_server import Registration, start_grpc_server
from headrace_common.runtime import Runtime
from headrace_common.settings import GrpcServiceSettings


@asynccontextmanager
async def serving(
    registrations: Sequence[Registration],
    *,
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
    drain_seconds: float = 0.5,
    **settings: int | str,
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve as in production and yield a channel to it; ends both."""
    configured = GrpcServiceSettings.model_validate(
        {"grpc_address": "127.0.0.1:0", "drain_seconds": drain_seconds, **settings}
    )
    runtime = Runtime(step_seconds=drain_seconds + 5)
    server = await start_grpc_server(
        runtime,
        configured,
        registrations,
        registry=registry or CollectorRegistry(),
        clock=clock or SystemClock(),
    )
    await server.set_serving(True)
    channel = create_channel(f"127.0.0.1:{server.port}")
    try:
        yield channel
    finally:
        await channel.close()
        await runtime.close()
