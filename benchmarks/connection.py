"""A keep-alive HTTP/1.1 connection for one request at a time, with as little work as can be."""

import asyncio
import re
import ssl
from time import perf_counter
from typing import TypeVar, cast
from urllib.parse import urlsplit

import httptools
import orjson

SOME_CONTENT = re.compile(rb'"content":\s*"[^"]')
DATA = b"data: "
DONE = b"[DONE]"


class Answer:
    """One answer as it arrives; times are those of `perf_counter`, for uvloop's clock is coarse."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        """As they were sent; only a HeaderReader fills it."""
        self.body = bytearray()
        self.pieces: list[tuple[int, float]] = []
        """How many bytes of the body had come when; only the hold-back's connection fills it."""
        self.first_token_at: float | None = None
        self.ended_at = 0.0

    def text(self, *, streamed: bool) -> str:
        """The generated text; raises ValueError or LookupError on a body of another shape."""
        if not streamed:
            return str(orjson.loads(self.body)["choices"][0]["message"]["content"])
        chunks = [
            orjson.loads(line.removeprefix(DATA))
            for line in bytes(self.body).splitlines()
            if line.startswith(DATA) and line != DATA + DONE
        ]
        deltas = (choice["delta"] for chunk in chunks for choice in chunk["choices"])
        return "".join(delta.get("content") or "" for delta in deltas)


class Connection(asyncio.Protocol):
    """Made by `connect`; `ask` raises ConnectionError when the server hangs up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer = Answer()
        self._answered: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the server closed the connection")
        self._answer = Answer()
        self._answered = self._loop.create_future()
        self._transport.write(request)
        return await self._answered

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"not HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(ConnectionResetError(str(error or "the server closed the connection")))

    def _fail(self, error: ConnectionError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    # ---- httptools

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        answer = self._answer
        answer.body += piece
        if answer.first_token_at is None and SOME_CONTENT.search(answer.body):
            answer.first_token_at = perf_counter()

    def on_message_complete(self) -> None:
        self._answer.ended_at = perf_counter()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(self._answer)


class HeaderReader(Connection):
    """A Connection that looks at the answers' headers, too, which costs it time."""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name] = value


C = TypeVar("C", bound=Connection)


async def connect(url: str, tls: ssl.SSLContext | None, kind: type[C]) -> C:
    """Raises OSError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(kind, host, port, ssl=tls)
    return connection
