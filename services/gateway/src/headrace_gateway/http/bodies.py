"""Request bodies: from bytes to a checked model, with errors that name the field and the rule."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, ErrorDetails
from starlette.requests import ClientDisconnect, Request

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.http.errors import FieldError

JSON_DEPTH = 200
"""What pydantic's parser takes, before anything is made of the text."""

FAULTS = 1000
"""Of one request, among which the one to tell is looked for."""

M = TypeVar("M", bound="Body")
Q = TypeVar("Q", bound=BaseModel)
F = TypeVar("F", bound="Form")


def _stop_at_the_first_fault(schema: Any) -> None:
    """In every list and mapping: a million wrong items would be a million errors, in a gigabyte."""
    if isinstance(schema, list):
        for item in schema:
            _stop_at_the_first_fault(item)
    elif isinstance(schema, dict):
        if schema.get("type") in ("list", "dict"):  # a field may have this name, too
            schema["fail_fast"] = True
        for item in schema.values():
            _stop_at_the_first_fault(item)


class Body(BaseModel):
    """Base of all request bodies: unknown fields are errors, values are never coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        _stop_at_the_first_fault(schema)
        return schema

    def fields(self) -> dict[str, Any]:
        """The fields of the call behind it."""
        return self.model_dump()

    @classmethod
    def code_of(cls, fault: ErrorDetails) -> str:  # noqa: ARG003 - for bodies that tell more
        """The error's code for a fault of it."""
        return "invalid_value"


class Query(BaseModel):
    """Base of the native API's queries, itself that of routes which take none.

    Unknown parameters are errors, other than where identity providers send browsers back to, who
    may add some (RFC 6749, section 4.1.2).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Form(Body):
    """Base of bodies that are forms, whose values are all text."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """The fields of the call behind it."""


def is_form(request: Request) -> bool:
    """Whether the body says that it is a form."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/x-www-form-urlencoded"


def parse_form(model: type[F], raw: bytes) -> F:
    """Raises INVALID_FIELD; a field that is given twice is an error (RFC 6749, section 3.2)."""
    try:
        text = raw.decode()
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        message = "The body is not a valid form, which its Content-Type says it is."
        raise HeadraceError(Reason.INVALID_FIELD, message) from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise HeadraceError(Reason.INVALID_FIELD, "A field of the form is given twice.")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explain(error) from None


async def read_body(request: Request, exchange: Exchange) -> bytes:
    """The whole body, which the edge bounds; nobody looks at it before.

    Raises CREDENTIAL_INVALID if the request is signed and the body is not the one that was signed,
    and CANCELLED if the client leaves meanwhile.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HeadraceError(Reason.CANCELLED, "the caller went away") from None
    exchange.check_body(body)
    return body


async def read_model_body(request: Request, exchange: Exchange) -> bytes:
    """The same for a model's request, which counts towards its organisation's share."""
    if exchange.principal is not None:
        request.state.body.belongs_to(exchange.principal.organization_id)
    return await read_body(request, exchange)


def parse_body(model: type[M], raw: bytes) -> M:
    """Raises INVALID_FIELD with the path of the first field that breaks a rule."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _explain(error, model.code_of) from None


def parse_query(model: type[Q], parameters: Mapping[str, str]) -> Q:
    """From a query string's parameters; raises INVALID_FIELD with the name of the one at fault."""
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        raise _explain(error) from None


def json_body(model: type[BaseModel], *, streams: bool = False) -> dict[str, Any]:
    """The OpenAPI description of a route's body, which the route parses itself.

    With `streams` the answer may be server-sent events instead.
    """
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {"application/json": {"schema": reference}}
    described: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if streams:
        events = {"text/event-stream": {"schema": {"type": "string"}}}
        described["responses"] = {"200": {"content": events}}
    return described


def _explain(
    error: ValidationError, code_of: Callable[[ErrorDetails], str] = Body.code_of
) -> HeadraceError:
    if error.error_count() > FAULTS:
        # Unknown fields: nothing else has so many faults, and to look at each would take seconds.
        rule = f"The request has {error.error_count()} fields that are not known."
        return HeadraceError(Reason.INVALID_FIELD, rule)
    errors = error.errors(include_url=False)
    # A union complains once per branch. The branch that was meant is the one whose type fits, or
    # else the one that got deepest into the value.
    detail = max(errors, key=lambda e: (not e["type"].endswith("_type"), len(e["loc"])))
    param = _path(detail["loc"])
    rule = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "json_invalid" and "recursion limit" in detail["msg"]:
        message = f"The body is nested more than {JSON_DEPTH} deep."
    elif detail["type"] == "json_invalid":
        message = f"The body is not valid JSON: {detail['msg']}."
    elif detail["type"] == "extra_forbidden":
        message = f"Unrecognized request argument supplied: {param}"
    elif detail["type"] == "missing":
        message = f"Missing required parameter: '{param}'."
    else:
        message = f"Invalid value for '{param}': {rule}." if param else f"{rule}."
    return FieldError(message, param=param or None, code=code_of(detail))


def _path(location: tuple[int | str, ...]) -> str:
    """`messages[0].content` from pydantic's location, without the names of union branches."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and not part[0].isupper() and part not in UNION_BRANCHES:
            path += f".{part}" if path else part
    return path


UNION_BRANCHES = frozenset({"str", "int", "float", "bool", "none"})
"""Beside bodies, whose names begin with a capital."""
