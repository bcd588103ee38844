"""The one way to make a gRPC server: health, reflection, errors, logs and metrics included."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
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
from headrace_common.grpc_limits import MAXIMUM_IDLE, RunningCalls, shutting_down
from headrace_common.runtime import Runtime
from headrace_common.settings import GrpcServiceSettings

LIVENESS = "liveness"
"""The health service name that looks at no dependency: who answers lives, even while draining."""

HEALTH_CHECK = f"/{health.SERVICE_NAME}/Check"
IDLE = (f"/{health.SERVICE_NAME}/Watch", "/grpc.reflection.")
LAST_WORDS_SECONDS = 1.0
"""For what is still on its way when no call runs any more; open health Watches are cut after it."""
PORT_SECONDS = 0.1
"""What the kernel may need to close a port."""
ROOM_FOR_PROBES = 2 * MAXIMUM_IDLE
"""Calls that gRPC itself admits beyond our own bound: idle ones, health checks, and refusals."""

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
        HEALTH_CHECK,
        *IDLE,
        *(f"/{item.full_name}/{method}" for item in registrations for method in item.polled),
    )


async def start_grpc_server(
    runtime: Runtime,
    settings: GrpcServiceSettings,
    registrations: Sequence[Registration],
    *,
    registry: CollectorRegistry,
    clock: Clock,
    options: Sequence[tuple[str, int]] = (),
) -> GrpcServer:
    """Bind and start; at shutdown running calls get `drain_seconds`, and only probes are let in.

    `options` are gRPC's own, besides ours. Raises RuntimeError if the address cannot be bound.
    """
    calls = RunningCalls(settings.maximum_concurrent_calls, exempt=(HEALTH_CHECK,), idle=IDLE)
    interceptor = AroundInterceptor(
        measure_calls(registry, clock),
        log_calls(clock, quiet=_polled(registrations)),
        report_errors,
        calls.around,
    )
    server = _create_server(settings, interceptor, options)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    names = ("", *_register(registrations, server))
    started = GrpcServer(server.add_insecure_port(settings.grpc_address), health_servicer, names)
    await started.set_serving(False)
    await health_servicer.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
    await server.start()

    async def drain() -> None:
        await started.set_serving(False)
        # at once, for it closes the port and has clients with a connection look for another server
        stopping = asyncio.ensure_future(server.stop(settings.drain_seconds))
        async with _answering_probes(settings, started.port, health_servicer, until=stopping):
            await calls.drain(settings.drain_seconds)
            await server.stop(LAST_WORDS_SECONDS)
            await stopping

    runtime.on_stop("grpc server", drain)
    return started


def _register(registrations: Sequence[Registration], server: grpc.aio.Server) -> list[str]:
    for registration in registrations:
        registration.add(registration.servicer, server)
    names = [registration.full_name for registration in registrations]
    reflection.enable_server_reflection(
        (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    return names


@asynccontextmanager
async def _answering_probes(
    settings: GrpcServiceSettings,
    port: int,
    health_servicer: health.aio.HealthServicer,
    until: "asyncio.Future[None]",
) -> AsyncIterator[None]:
    """Take over a port that is being closed, for health checks; other calls hear NOT_SERVING."""
    server = _create_server(settings, AroundInterceptor(report_errors))
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    server.add_generic_rpc_handlers((_RefuseAll(),))
    host, _, _ = settings.grpc_address.rpartition(":")
    while not (await asyncio.wait({until}, timeout=PORT_SECONDS))[0]:
        with suppress(RuntimeError):  # not closed yet
            server.add_insecure_port(f"{host}:{port}")
            break
    await server.start()
    try:
        yield
    finally:
        await server.stop(LAST_WORDS_SECONDS)


class _RefuseAll(grpc.GenericRpcHandler):
    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_request: bytes, _context: Any) -> bytes:
    raise shutting_down()


def _create_server(
    settings: GrpcServiceSettings,
    interceptor: AroundInterceptor,
    options: Sequence[tuple[str, int]] = (),
) -> Any:
    return grpc.aio.server(
        interceptors=[interceptor],
        options=(
            *OPTIONS,
            *options,
            ("grpc.max_receive_message_length", settings.maximum_message_bytes),
        ),
        # Refuses before the message is read, and so bounds what floods of calls make us hold.
        maximum_concurrent_rpcs=settings.maximum_concurrent_calls + ROOM_FOR_PROBES,
    )
