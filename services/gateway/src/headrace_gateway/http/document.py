"""The OpenAPI document: what FastAPI knows of the routes, and what it cannot know."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from headrace_gateway.http.deprecations import PLANNED, Deprecations

DESCRIPTION = """
Headrace speaks the OpenAI API under `/v1` and its own under `/api/v1`. Send an API key or an
access token as `Authorization: Bearer ...`; requests for models may be signed instead (RFC 9421).
Every response carries `x-request-id`; every error has the body `ErrorBody`. A request for a model
with `x-headrace-trace: 1`, by a credential with the scope `llm:trace`, brings what each stage
decided and how long it took: in the header of that name, of streams in the last chunk.
"""
REDIRECTIONS = frozenset({"302", "303"})
OPEN_PATHS = ("/api/v1/health/", "/.well-known/", "/oauth2/", "/version")


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


class ErrorBody(BaseModel):
    """The one error body."""

    error: ErrorDetail


def describe(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> None:
    """Have `app` describe `bodies`, which its routes parse themselves, credentials and errors."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, bodies)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    document = get_openapi(
        title="Headrace",
        version=version("headrace-gateway"),
        description=DESCRIPTION,
        routes=app.routes,
    )
    described: tuple[type[BaseModel], ...] = (*bodies, ErrorBody)
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [
        (model, "validation") for model in described
    ]
    _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")
    document["components"] = {
        "schemas": schemas["$defs"],
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        },
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, needs_credential=not path.startswith(OPEN_PATHS))
    mark_deprecated(document, PLANNED)
    return document


def mark_deprecated(document: dict[str, Any], planned: Deprecations) -> None:
    """Have the document say which routes are to go; raises KeyError for one that is none."""
    for route in planned:
        method, _, path = route.partition(" ")
        document["paths"][path][method.lower()]["deprecated"] = True


def _complete(operation: dict[str, Any], *, needs_credential: bool) -> None:
    if needs_credential:  # a route may have said already that it needs none
        operation.setdefault("security", [{"bearer": []}, {"apiKey": []}])
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own error, which is never sent
    for status in REDIRECTIONS & responses.keys():
        responses[status] = {"description": "Elsewhere, as the Location header says"}
    errors = responses.get("default", {"description": "Any error", "content": {}})
    # What the edge refuses is told so everywhere; a route may have another form beside it.
    reference = {"$ref": "#/components/schemas/ErrorBody"}
    own = errors["content"].get("application/json")
    schema = {"anyOf": [own["schema"], reference]} if own else reference
    content = {**errors["content"], "application/json": {"schema": schema}}
    responses["default"] = {**errors, "content": content}
