"""Bounds one connection before any application is asked: heads, silence, and how it ends.

uvicorn's protocol bounds neither the size of a request's head nor the time that it takes to come,
and what is no HTTP it answers in plain text.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_gateway.http.errors import error_body, status_of

VERSIONS = frozenset({"1.0", "1.1"})
PIPELINED = 16
"""Requests that may wait on one connection for the answer to the one before."""
LINGER_SECONDS = 1.0
"""For an answer to arrive, while what still comes of a refused body is dropped."""


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """What the connections of strangers may take."""

    connections: int
    headers: int
    head_bytes: int
    head_seconds: float


class HeadRefusedError(Exception):
    """Raised out of the parser's callbacks, for a head that is valid HTTP and still not taken."""

    def __init__(self, error: HeadraceError, status: int) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status


class Connection(HttpToolsProtocol):
    """One connection of HTTP/1; subclasses have the bounds."""

    bounds: ClassVar[ConnectionBounds]

    _in_head = False
    _unexplained = 0
    """Bytes since the parser last found something: of an unfinished head, trailer or chunk's line.

    What was read together with the beginning, at most 256 KiB, does not count.
    """
    _timer: asyncio.TimerHandle | None = None
    _lingers = False
    _refused: HeadRefusedError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.headers = []
        if len(self.connections) > self.bounds.connections:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        self._unexplained += len(data)
        super().data_received(data)
        if self._unexplained > self.bounds.head_bytes or len(self.headers) > self.bounds.headers:
            self._refuse(self._too_large())
        elif self._in_head or not self._answering:
            self._await_head()
        else:
            self._stop_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._unexplained = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unexplained = 0
        try:
            self._check_head()
        except HeadRefusedError as refused:
            self._refused = refused  # what the parser raises tells nothing of it
            raise
        super().on_headers_complete()
        # What the parser calls headers from now on are trailers, which no application wants.
        self.headers = []
        if self.parser.should_upgrade():
            # The parser takes what follows for another protocol, which we do not speak.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unexplained = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._linger()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        """For uvicorn, which calls it when the parser gives up."""
        malformed = HeadraceError(Reason.INVALID_FIELD, "The request is not valid HTTP/1.1.")
        self._refuse(self._refused or HeadRefusedError(malformed, HTTPStatus.BAD_REQUEST))

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _check_head(self) -> None:
        size = len(self.url) + sum(map(len, chain.from_iterable(self.headers)))
        hosts = [name for name, _ in self.headers].count(b"host")
        if size > self.bounds.head_bytes or len(self.headers) > self.bounds.headers:
            raise self._too_large()
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            raise _refusal("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            raise _refusal("A request has one Host header.")  # RFC 9112, section 3.2
        if self.parser.should_upgrade() and self._has_body():
            raise _refusal("A request with a body cannot ask for another protocol (Upgrade).")
        if len(self.pipeline) >= PIPELINED:
            raise _refusal(f"More than {PIPELINED} requests wait on this connection.")

    def _has_body(self) -> bool:
        return any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)

    def _too_large(self) -> HeadRefusedError:
        rule = (
            f"The request's head has more than {self.bounds.headers} headers or "
            f"{self.bounds.head_bytes} bytes."
        )
        error = HeadraceError(Reason.REQUEST_TOO_LARGE, rule)
        return HeadRefusedError(error, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, refused: HeadRefusedError) -> None:
        """Answer, unless another answer has begun, and close."""
        cycle, transport = self.cycle, self.transport
        if transport.is_closing():
            return
        if not self._answering:
            transport.write(_answer(refused))
        elif not self.pipeline and not cycle.response_started:
            cycle.disconnected = True  # so that the application sends nothing more
            cycle.message_event.set()
            transport.write(_answer(refused))
        transport.close()

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.bounds.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timer = None
        if self._answering:
            self._await_head()
        elif self._in_head:
            rule = f"The request's head did not arrive within {self.bounds.head_seconds:g} seconds."
            error = HeadraceError(Reason.REQUEST_TOO_SLOW, rule)
            self._refuse(HeadRefusedError(error, status_of(error)))
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Close so that the answer arrives: a reset would take it back (RFC 9112, section 9.6)."""
        if self.transport.is_closing():
            return
        self._lingers = True
        self._unset_keepalive_if_required()
        self._stop_timer()
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def connection_within(limits: ConnectionBounds) -> type[asyncio.Protocol]:
    """The class for uvicorn, which makes its connections itself."""

    class Bounded(Connection):
        bounds = limits

    return Bounded


def _refusal(rule: str) -> HeadRefusedError:
    return HeadRefusedError(HeadraceError(Reason.INVALID_FIELD, rule), HTTPStatus.BAD_REQUEST)


def _answer(refused: HeadRefusedError) -> bytes:
    """The whole response; it has an id as any other, though nobody heard the request."""
    request_id = uuid7(datetime.now(UTC))
    body = error_body(refused.error, request_id)
    status = HTTPStatus(refused.status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        f"x-request-id: {request_id}\r\n"
        "x-content-type-options: nosniff\r\n"
        "cache-control: no-store\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
