"""A gateway on a port of its own, and callers who write whatever bytes they like to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httptools

from headrace_common.runtime import Runtime
from headrace_gateway.http.connection import ConnectionBounds
from headrace_gateway.http.server import serve_http
from headrace_gateway.testing.gateway import CONNECTIONS, Gateway

READ_BYTES = 64 * 1024


@dataclass(slots=True)
class RawAnswer:
    """One response, as it was read."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def error(self) -> dict[str, Any]:
        """The one error body; a KeyError if it is another."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class _Reader:
    """Collects responses, of which the last may be cut."""

    def __init__(self) -> None:
        self.answers: list[RawAnswer] = []
        self._headers: dict[str, str] = {}
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self.answers.append(RawAnswer(self.parser.get_status_code(), self._headers))

    def on_body(self, body: bytes) -> None:
        self.answers[-1].body += body


@asynccontextmanager
async def serving(
    gateway: Gateway, bounds: ConnectionBounds = CONNECTIONS, *, write_seconds: float = 30
) -> AsyncIterator[int]:
    """The port on which the gateway's application is served as in production."""
    runtime = Runtime(step_seconds=5)
    port = await serve_http(
        runtime,
        gateway.app,
        "127.0.0.1:0",
        gateway.readiness,
        trusted_proxies="",
        drain_seconds=0.1,
        write_seconds=write_seconds,
        connections=bounds,
    )
    try:
        yield port
    finally:
        await runtime.close()


async def talk(port: int, *parts: bytes, seconds: float = 10.0) -> list[RawAnswer]:
    """Write `parts`, one after the other, and read until the server closes the connection.

    Raises TimeoutError if it does not do so within `seconds`.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            with suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
            return await read_answers(reader)
        finally:
            writer.close()


async def read_answers(reader: asyncio.StreamReader) -> list[RawAnswer]:
    """All responses until the connection ends."""
    collected = _Reader()
    with suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            collected.parser.feed_data(data)
    return collected.answers
