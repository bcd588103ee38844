"""The Prometheus endpoint of a process, on a port of its own that no public ingress reaches."""

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from headrace_common.net import split_address
from headrace_common.runtime import Runtime

LATENCY_SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
)
"""Bucket edges for calls between services."""


def create_registry() -> CollectorRegistry:
    """A registry with the process's own figures; one per process, passed to whoever measures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def serve_metrics(runtime: Runtime, registry: CollectorRegistry, address: str) -> int:
    """Serve `/metrics` until the runtime stops; returns the port that was bound."""
    host, port = split_address(address)
    server, thread = start_http_server(port, host, registry=registry)

    async def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=1)

    runtime.on_stop("metrics endpoint", stop)
    return int(server.server_port)
