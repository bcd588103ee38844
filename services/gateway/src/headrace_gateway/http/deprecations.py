"""Routes that are to go: their answers say so, in time and in one way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from types import MappingProxyType

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What is planned for a route; moments are in UTC."""

    since: datetime
    """From when on nobody should begin to use it."""
    sunset: datetime | None = None
    """When it goes, if that is known: not before `since`."""
    documentation: str = ""
    """A URL that says what to use instead."""

    def headers(self) -> dict[str, str]:
        """Deprecation (RFC 9745), Sunset (RFC 8594), and a link to more (RFC 8288)."""
        headers = {"deprecation": f"@{int(self.since.timestamp())}"}
        if self.sunset is not None:
            headers["sunset"] = format_datetime(self.sunset, usegmt=True)
        if self.documentation:
            headers["link"] = f'<{self.documentation}>; rel="deprecation"; type="text/html"'
        return headers


Deprecations = Mapping[str, Deprecation]
"""By method and path as the API's document has them: `GET /api/v1/keys/{api_key_id}`."""

PLANNED: Deprecations = MappingProxyType({})
"""Of the native API; the document marks these routes."""


def announce(app: ASGIApp, planned: Deprecations = PLANNED) -> ASGIApp:
    """`app`, with headers on each answer of a route that is planned to go."""
    if not planned:
        return app
    headers = {route: deprecation.headers() for route, deprecation in planned.items()}

    async def announcing(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", None)
                told = headers.get(f"{scope['method']} {route}", {})
                MutableHeaders(scope=message).update(told)
            await send(message)

        await app(scope, receive, tell)

    return announcing
