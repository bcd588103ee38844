"""CORS: which web pages' scripts may read what is answered here; off unless origins are named.

Credentials come in headers that a script sets itself, never in cookies: no origin is ever allowed
what a browser would add on its own.
"""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.routes import COHORT_HEADER
from headrace_gateway.domain.trace import TRACE_HEADER
from headrace_gateway.http.errors import error_response
from headrace_gateway.http.exchanges import CACHE_HEADER, LIMITS_HEADER, MODEL_HEADER

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EXPOSED = (
    "x-request-id",
    "retry-after",
    *(
        f"x-ratelimit-{what}-{kind}"
        for what in ("limit", "remaining", "reset")
        for kind in ("requests", "tokens")
    ),
    "x-headrace-api-version",
    CACHE_HEADER,
    MODEL_HEADER,
    LIMITS_HEADER,
    COHORT_HEADER,
    TRACE_HEADER,
    "www-authenticate",
    "deprecation",
    "sunset",
)
"""Headers of answers that scripts may read, beside those that they always may."""
PREFLIGHT_SECONDS = 600
REFUSED = 400


class CrossOrigin:
    """Headers are set around the edge, so that its refusals have them; preflights end behind it.

    So a preflight has an id and counts as a request like any other.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = origins

    def around(self, edge: ASGIApp) -> ASGIApp:
        """Allow scripts to read what the edge answers."""
        cors = self._rules(edge)

        async def readable(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                headers = Headers(scope=scope)
                await cors.simple_response(scope, receive, send, request_headers=headers)
            else:
                await edge(scope, receive, send)

        return readable

    def behind(self, app: ASGIApp) -> ASGIApp:
        """Answer the question that browsers ask before a request."""
        cors = self._rules(app)

        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["method"] != "OPTIONS":
                await app(scope, receive, send)
                return
            headers = Headers(scope=scope)
            if "origin" not in headers or "access-control-request-method" not in headers:
                await app(scope, receive, send)
                return
            response = cors.preflight_response(headers)
            if response.status_code >= REFUSED:
                rule = "This origin, method or header is not allowed to scripts of other sites."
                error = HeadraceError(Reason.INVALID_FIELD, rule)
                response = error_response(error, scope["state"]["request_id"])
            await response(scope, receive, send)

        return asked

    def _rules(self, app: ASGIApp) -> CORSMiddleware:
        return CORSMiddleware(
            app,
            allow_origins=self._origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_SECONDS,
        )
