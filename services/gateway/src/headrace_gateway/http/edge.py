"""The outermost layer of the HTTP front door: request ids, security headers, bounds."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_common.logs import get_logger
from headrace_gateway.http.addressing import Addressing
from headrace_gateway.http.errors import error_response, internal_error
from headrace_gateway.http.exchanges import source_address
from headrace_gateway.http.login_places import LoginPlaces
from headrace_gateway.http.request_bodies import BodyBounds, RequestBodies

API_VERSION = "v1"
REFUSED = 400
PERMANENT_REDIRECT = 308
HEALTH_PREFIX = "/api/v1/health/"
LOGIN_PREFIXES = ("/api/v1/auth/", "/oauth2/")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
STRICT_TRANSPORT_SECURITY = (
    b"strict-transport-security",
    b"max-age=31536000; includeSubDomains",
)
VERSION_HEADER = (b"x-headrace-api-version", API_VERSION.encode())

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request, and all of them together, may take, and how they must come."""

    bodies: BodyBounds
    requests_in_flight: int
    logins_in_flight: int
    """Strangers may wait here; they must not take the places of callers with a credential."""
    strict_transport: bool
    """Bind browsers to HTTPS; never on a developer's machine, where it would bind all localhost."""
    addressing: Addressing = field(default_factory=Addressing)


class Edge:
    """Pure ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, clock: Clock, bounds: Bounds) -> None:
        self._app = app
        self._clock = clock
        self._bounds = bounds
        self._bodies = RequestBodies(bounds.bodies)
        self._in_flight = 0
        self._login_places = LoginPlaces(bounds.logins_in_flight)
        transport = (STRICT_TRANSPORT_SECURITY,) if bounds.strict_transport else ()
        self._headers = (*SECURITY_HEADERS, *transport)
        self._native_headers = (*self._headers, VERSION_HEADER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid7(self._clock.now())
        scope.setdefault("state", {})["request_id"] = request_id
        native = scope["path"].startswith("/api/")
        headers = self._native_headers if native else self._headers
        response = _Response(send, request_id, headers, scope["state"])
        self._in_flight += 1
        try:
            if not scope["path"].startswith(HEALTH_PREFIX):  # probes know addresses, not names
                self._refuse_overload()
                self._bounds.addressing.check(scope)
                if (location := self._bounds.addressing.elsewhere(scope)) is not None:
                    await _redirect(location)(scope, receive, response.send)
                    return
            with self._place(scope), self._bodies.bounded(scope, receive) as bounded:
                await self._app(scope, bounded, response.send)
        except HeadraceError as error:
            await response.fail(error, scope, receive)
        except Exception as error:  # noqa: BLE001 - the last line before the wire
            get_logger().error("unexpected_error", request_id=request_id, exc_info=error)
            await response.fail(internal_error(), scope, receive)
        finally:
            self._in_flight -= 1

    def _refuse_overload(self) -> None:
        if self._in_flight > self._bounds.requests_in_flight:
            raise HeadraceError(
                Reason.QUEUE_FULL, "Too many requests in flight.", retry_after_seconds=1
            )

    def _place(self, scope: Scope) -> AbstractContextManager[None]:
        if scope["path"].startswith(LOGIN_PREFIXES):
            return self._login_places.taken(source_address(scope))
        return nullcontext()


def _redirect(location: str) -> Response:
    return Response(status_code=PERMANENT_REDIRECT, headers={"location": location})


class _Response:
    """Adds headers to whatever is sent, and knows whether anything was."""

    def __init__(
        self, send: Send, request_id: str, headers: RawHeaders, state: Mapping[str, Any]
    ) -> None:
        """`headers` are set unless the response brings its own; `state` is the request's."""
        self._send = send
        self._request_id = request_id
        self._headers = headers
        self._state = state
        self._started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            if message["status"] >= REFUSED and "body" in self._state:
                await self._state["body"].take_rest()
            own = message.get("headers", ())
            names = {name for name, _ in own}
            message["headers"] = [
                *own,
                (b"x-request-id", self._request_id.encode()),
                *(header for header in self._headers if header[0] not in names),
            ]
        await self._send(message)

    async def fail(self, error: HeadraceError, scope: Scope, receive: Receive) -> None:
        """Answer with the error, unless part of another answer has left already."""
        if not self._started:
            await error_response(error, self._request_id)(scope, receive, self.send)
