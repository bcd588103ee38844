"""The Prometheus endpoint of a process, on a port of its own that no public ingress reaches."""

import socket
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    make_wsgi_app,
)
from prometheus_client.exposition import ThreadingWSGIServer

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

MAXIMUM_SCRAPES = 8
"""At once; each takes a thread, and a further connection is answered 503 and closed."""

SCRAPE_SECONDS = 10
"""How long a connection may keep its thread waiting."""

BUSY = b"HTTP/1.0 503 Service Unavailable\r\nretry-after: 1\r\n\r\ntoo many scrapes at once\n"


def create_registry() -> CollectorRegistry:
    """A registry with the process's own figures; one per process, passed to whoever measures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _Server(ThreadingWSGIServer):
    """A thread for each connection, and no more of them than the bound."""

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(MAXIMUM_SCRAPES)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        request.sendall(BUSY)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that leaves or falls silent is its own affair."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = SCRAPE_SECONDS

    def log_message(self, *_: Any) -> None:
        """Scrapes are not logged."""


def serve_metrics(runtime: Runtime, registry: CollectorRegistry, address: str) -> int:
    """Serve `/metrics` until the runtime stops; returns the port that was bound."""
    host, port = split_address(address)
    kind = _ServerV6 if ":" in host else _Server
    server = make_server(host, port, make_wsgi_app(registry), kind, _Handler)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()

    async def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=1)

    runtime.on_stop("metrics endpoint", stop)
    return int(server.server_port)
