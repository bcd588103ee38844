"""Runs the ASGI application in this process, under the service's own life cycle."""

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from headrace_common.net import split_address
from headrace_common.runtime import Runtime
from headrace_gateway.http.connection import ConnectionBounds, connection_within
from headrace_gateway.http.front_door import Readiness

FAREWELL_SECONDS = 2
"""For the last words of answers that the drain cut short; then uvicorn cuts their connections."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which belongs to Runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(
    runtime: Runtime,
    app: ASGIApp,
    address: str,
    readiness: Readiness,
    *,
    trusted_proxies: str,
    drain_seconds: float,
    write_seconds: float,
    connections: ConnectionBounds,
) -> int:
    """Serve until the runtime stops; returns the port that was bound.

    At shutdown readiness goes first, then the listener closes and running answers get
    `drain_seconds`; those that need longer end with an error. A client that takes no byte for
    `write_seconds` loses its connection. Raises OSError if the address cannot be bound.
    """
    listener = _listen(address, write_seconds)
    server = _Server(_config(app, connections, trusted_proxies, drain_seconds))
    ended = asyncio.Event()

    async def serve() -> None:
        try:
            await server.serve(sockets=[listener])
        finally:
            ended.set()

    async def drain() -> None:
        readiness.draining = True
        server.should_exit = True
        try:
            async with asyncio.timeout(drain_seconds):
                await ended.wait()
        except TimeoutError:
            readiness.running.stop_all()
            await ended.wait()

    runtime.start_task("http server", serve())
    runtime.on_stop("http drain", drain)
    return int(listener.getsockname()[1])


def _listen(address: str, write_seconds: float) -> socket.socket:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Connections inherit it. uvloop sets it, too; asyncio does not on a socket made like this one,
    # and then the second of an answer's two writes waits 40 ms for the first one's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # uvicorn closes politely, and so never, what a client that stopped reading has not taken.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(write_seconds * 1000))
    return listener


def _config(
    app: ASGIApp, connections: ConnectionBounds, trusted_proxies: str, drain_seconds: float
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=connection_within(connections),
        loop="none",
        ws="none",
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=math.ceil(drain_seconds) + FAREWELL_SECONDS,
    )
