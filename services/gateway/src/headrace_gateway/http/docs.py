"""`/docs`, `/redoc` and `/openapi.json`: the API's documentation, whole from here, for anybody.

The pages load nothing from elsewhere and run no script that is not a file of this server.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import fastapi_offline
import orjson
from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, Response

from headrace_common.errors import HeadraceError, Reason

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headrace API</title>
{head}
</head>
<body>
{body}
</body>
</html>
"""
SWAGGER = PAGE.format(
    head='<link rel="icon" href="data:,">\n'
    '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">',
    body='<div id="docs"></div>\n'
    '<script src="/docs/assets/swagger-ui-bundle.js"></script>\n'
    '<script src="/docs/start.js"></script>',
)
REDOC = PAGE.format(
    head='<link rel="icon" href="data:,">',
    # Its search would need a worker, which the policy does not allow.
    body='<redoc spec-url="/openapi.json" disable-search="true"></redoc>\n'
    '<script src="/docs/assets/redoc.standalone.js"></script>',
)
START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true});
"""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
REDOC_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Redoc writes its style sheets as it runs; scripts come from files only, as everywhere."""

ASSETS = MappingProxyType(
    {
        "swagger-ui.css": "text/css",
        "swagger-ui-bundle.js": "text/javascript",
        "redoc.standalone.js": "text/javascript",
    }
)
ASSETS_FOLDER = Path(fastapi_offline.__file__).parent / "static"
KEPT = MappingProxyType({"cache-control": "public, max-age=3600"})


def add_docs(app: FastAPI) -> None:
    """Add the pages and what they load; Swagger UI and Redoc come with fastapi-offline."""
    router = APIRouter(include_in_schema=False)
    document = _document(app.openapi)

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(document(), media_type="application/json")

    @router.get("/docs")
    async def swagger() -> Response:
        return HTMLResponse(SWAGGER, headers={"content-security-policy": POLICY})

    @router.get("/redoc")
    async def redoc() -> Response:
        return HTMLResponse(REDOC, headers={"content-security-policy": REDOC_POLICY})

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(START, media_type="text/javascript", headers=dict(KEPT))

    @router.get("/docs/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HeadraceError(Reason.RESOURCE_NOT_FOUND, "There is no such file.")
        return Response(_asset(name), media_type=ASSETS[name], headers=dict(KEPT))

    app.include_router(router)


@cache
def _asset(name: str) -> bytes:
    return (ASSETS_FOLDER / name).read_bytes()


def _document(describe: Callable[[], dict[str, Any]]) -> Callable[[], bytes]:
    """The document as it is sent: anybody may ask for it, so it is written once."""

    @cache
    def document() -> bytes:
        return orjson.dumps(describe())

    return document
