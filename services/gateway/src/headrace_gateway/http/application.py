"""Puts the HTTP front door together: routes, error handlers, metrics, edge."""

from collections.abc import Collection
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.http import llm_routes, openai_routes
from headrace_gateway.http.account_routes import create_account_router
from headrace_gateway.http.accounts.tables import TABLES
from headrace_gateway.http.authorize_routes import create_authorize_router
from headrace_gateway.http.compression import Compression
from headrace_gateway.http.cross_origin import CrossOrigin
from headrace_gateway.http.deprecations import announce
from headrace_gateway.http.direct_routes import DirectRoutes
from headrace_gateway.http.docs import add_docs
from headrace_gateway.http.document import describe
from headrace_gateway.http.edge import Bounds, Edge
from headrace_gateway.http.errors import error_response, internal_error
from headrace_gateway.http.federation_routes import create_federation_router
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.http.health_routes import create_health_router
from headrace_gateway.http.link_pages import create_link_router
from headrace_gateway.http.oauth_routes import create_oauth_router
from headrace_gateway.http.well_known_routes import create_well_known_router

REASON_OF_STATUS = {404: Reason.RESOURCE_NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}


@dataclass(frozen=True, slots=True)
class Browsers:
    """What is done for browsers, if an installation wants it."""

    allowed_origins: Collection[str] = ()
    gzip_minimum_bytes: int | None = None


def create_http_app(
    door: FrontDoor, registry: CollectorRegistry, bounds: Bounds, browsers: Browsers
) -> ASGIApp:
    """The whole ASGI application."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    models = (openai_routes.create_openai_router(door), llm_routes.create_llm_router(door))
    for router in models:
        app.include_router(router)
    for tag, routes in TABLES.items():
        app.include_router(create_account_router(door, tag, routes))
    app.include_router(create_authorize_router(door))
    app.include_router(create_oauth_router(door))
    app.include_router(create_health_router(door))
    app.include_router(create_federation_router(door))
    app.include_router(create_well_known_router(door))
    app.include_router(create_link_router())
    _add_error_handlers(app)
    account_bodies = (route.body for routes in TABLES.values() for route in routes if route.body)
    describe(app, (*openai_routes.BODIES, *llm_routes.BODIES, *dict.fromkeys(account_bodies)))
    add_docs(app)
    Instrumentator(registry=registry, excluded_handlers=["/api/v1/health/.*"]).instrument(app)
    direct = DirectRoutes(app, (route for router in models for route in router.routes))
    return _wrapped(announce(direct), door.clock, bounds, browsers)


def _wrapped(app: ASGIApp, clock: Clock, bounds: Bounds, browsers: Browsers) -> ASGIApp:
    if browsers.gzip_minimum_bytes is not None:
        app = Compression(app, browsers.gzip_minimum_bytes)
    if not browsers.allowed_origins:
        return Edge(app, clock, bounds)
    cross_origin = CrossOrigin(browsers.allowed_origins)
    return cross_origin.around(Edge(cross_origin.behind(app), clock, bounds))


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(HeadraceError)
    async def known(request: Request, error: HeadraceError) -> Response:
        return error_response(error, request.state.request_id)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, _error: Exception) -> Response:
        # Starlette raises it again after the answer, so the edge logs it.
        return error_response(internal_error(), request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        detail = error.errors()[0]
        param = str(detail["loc"][-1])
        message = f"Invalid value for '{param}': {detail['msg']}."
        found = HeadraceError(Reason.INVALID_FIELD, message, param=param)
        return error_response(found, request.state.request_id)

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        reason = REASON_OF_STATUS.get(error.status_code, Reason.INVALID_FIELD)
        path = request.scope["path"]
        message = (
            f"{request.method} is not offered at this path."
            if reason is Reason.METHOD_NOT_ALLOWED
            else f"There is nothing at {path!r}."
        )
        found = HeadraceError(reason, message)
        headers = dict(error.headers or {})
        if reason is Reason.METHOD_NOT_ALLOWED:
            headers |= _allow(app, request)
        return error_response(found, request.state.request_id, headers)


def _allow(app: FastAPI, request: Request) -> dict[str, str]:
    """All methods of a path (RFC 9110, section 10.2.1); the router knows those of one route."""
    route = request.scope.get("route")
    operations = app.openapi()["paths"].get(getattr(route, "path_format", None), {})
    return {"Allow": ", ".join(method.upper() for method in operations)} if operations else {}
