"""The one way to make a gRPC server: health, reflection, errors, logs and metrics included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock
from headrace_common.grpc_interceptors import (
    AroundInterceptor,
    log_calls,
    measure_calls,
    report_errors,
)
from headrace_common.grpc_limits import RunningCalls
from headrace_common.runtime import Runtime
from headrace_common.settings import GrpcServiceSettings

LIVENESS = "liveness"
"""The health service name that looks at no dependency: who answers lives, even while draining."""

HEALTH = (f"/{health.SERVICE_NAME}/",)
LAST_WORDS_SECONDS = 1.0
"""For what is still on its way when no call runs any more; open health Watches are cut after it."""
ROOM_FOR_PROBES = 64
"""Calls that gRPC itself admits beyond our own bound: health checks, and calls being refused."""

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A servicer, how to add it to a server, and its full proto name."""

    full_name: str
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: Any
    polled: tuple[str, ...] = ()
    """Methods that callers repeat every few seconds; logged only when they fail."""


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """A started server that answers NOT_SERVING to health checks until told otherwise."""

    port: int
    _health: health.aio.HealthServicer
    _names: tuple[str, ...]

    async def set_serving(self, serving: bool) -> None:
        """Tell health checks, and so load balancers, whether to send work here."""
        status = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._health.set(name, status.SERVING if serving else status.NOT_SERVING)


def _polled(registrations: Sequence[Registration]) -> tuple[str, ...]:
    return (
        *HEALTH,
        "/grpc.reflection.",
        *(f"/{item.full_name}/{method}" for item in registrations for method in item.polled),
    )


async def start_grpc_server(
    runtime: Runtime,
    settings: GrpcServiceSettings,
    registrations: Sequence[Registration],
    *,
    registry: CollectorRegistry,
    clock: Clock,
) -> GrpcServer:
    """Bind and start; at shutdown running calls get `drain_seconds`, and only probes are let in.

    Raises RuntimeError if the address cannot be bound.
    """
    calls = RunningCalls(settings.maximum_concurrent_calls, exempt=HEALTH)
    interceptor = AroundInterceptor(
        measure_calls(registry, clock),
        log_calls(clock, quiet=_polled(registrations)),
        report_errors,
        calls.around,
    )
    server = _create_server(settings, interceptor)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    for registration in registrations:
        registration.add(registration.servicer, server)
    names = ("", *(registration.full_name for registration in registrations))
    reflection.enable_server_reflection(
        (*names[1:], health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    started = GrpcServer(server.add_insecure_port(settings.grpc_address), health_servicer, names)
    await started.set_serving(False)
    await health_servicer.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
    await server.start()

    async def drain() -> None:
        await started.set_serving(False)
        await calls.drain(settings.drain_seconds)
        await server.stop(LAST_WORDS_SECONDS)

    runtime.on_stop("grpc server", drain)
    return started


def _create_server(settings: GrpcServiceSettings, interceptor: AroundInterceptor) -> Any:
    return grpc.aio.server(
        interceptors=[interceptor],
        options=(
            *OPTIONS,
            ("grpc.max_receive_message_length", settings.maximum_message_bytes),
        ),
        # Refuses before the message is read, and so bounds what floods of calls make us hold.
        maximum_concurrent_rpcs=settings.maximum_concurrent_calls + ROOM_FOR_PROBES,
    )
