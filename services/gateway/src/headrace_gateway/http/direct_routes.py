"""Calls the routes of models without FastAPI around them."""

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoutes:
    """Pure ASGI middleware around the FastAPI application.

    FastAPI's routing, its exit stacks and the instrumentator took a tenth of the gateway's time for
    a completion (benchmarks/README.md), and none of it is for routes that parse their own bodies.
    They stay in the application, which describes them; `llm_requests_total` counts them.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        """Of `routes`, those of the method POST are called; they take the request alone."""
        self._app = app
        self._routes = {
            route.path: route
            for route in routes
            if isinstance(route, APIRoute) and route.methods == {"POST"}
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = scope["type"] == "http" and scope["method"] == "POST"
        route = self._routes.get(scope["path"]) if direct else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # as FastAPI leaves it, for `announce`
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)
