"""Serves the gRPC front door on a port of its own, under the service's life cycle."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock
from headrace_common.grpc_server import GrpcServer, start_grpc_server
from headrace_common.runtime import Runtime
from headrace_common.settings import GrpcServiceSettings
from headrace_gateway.grpc.servicer import CompletionServicer

FAREWELL_SECONDS = 1
"""For the last words of answers that the drain cut short; then the server cuts their calls."""
READINESS_SECONDS = 0.5
PINGS = (
    *("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms"),
    "grpc.http2.ping_timeout_ms",  # else a minute, see headrace_common.grpc_client
)
"""A caller whose machine is gone never says so: after two such times its calls are over."""


async def serve_grpc(
    runtime: Runtime,
    servicer: CompletionServicer,
    settings: GrpcServiceSettings,
    missing: Callable[[], Sequence[str]],
    *,
    registry: CollectorRegistry,
    clock: Clock,
) -> int:
    """Serve until the runtime stops; returns the port that was bound.

    Its health follows `missing`, the names of what is not there yet. At shutdown running calls get
    `drain_seconds`; those that need longer end with NOT_SERVING. Raises RuntimeError if the address
    cannot be bound.
    """
    silence = round(servicer.door.write_seconds * 1000)
    longer = {"drain_seconds": settings.drain_seconds + FAREWELL_SECONDS}
    server = await start_grpc_server(
        runtime,
        settings.model_copy(update=longer),
        [servicer.registration()],
        registry=registry,
        clock=clock,
        options=[(name, silence) for name in PINGS],
    )

    async def bound_the_drain() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(settings.drain_seconds, servicer.door.running.stop_all)

    runtime.on_stop("grpc time", bound_the_drain)
    runtime.start_task("grpc readiness", _keep_health(server, missing))
    return server.port


async def _keep_health(server: GrpcServer, missing: Callable[[], Sequence[str]]) -> None:
    """Tell health checks what readiness says, until cancelled."""
    serving = False
    while True:
        if serving is not (ready := not missing()):
            await server.set_serving(ready)
            serving = ready
        await asyncio.sleep(READINESS_SECONDS)
