"""What the bodies of OpenAI's endpoints share: names, OpenAI's error codes, and how to refuse."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from pydantic_core import ErrorDetails

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import MODEL_CHARACTERS
from headrace_gateway.http.bodies import Body
from headrace_gateway.http.errors import FieldError

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=MODEL_CHARACTERS)]
FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
TokenCount = Annotated[int, Field(ge=1, le=2**31 - 1)]
JsonObject = dict[str, Any]

CODES = MappingProxyType(
    {
        "extra_forbidden": "unknown_parameter",
        "missing": "missing_required_parameter",
        "string_too_long": "string_above_max_length",
        "string_too_short": "empty_string",
        "too_short": "empty_array",
    }
)
"""OpenAI's `code` of pydantic's faults; `openai_code` knows those of types, numbers and lengths."""


class OpenAIBody(Body):
    """Base of the bodies of `/v1`."""

    @classmethod
    def code_of(cls, fault: ErrorDetails) -> str:
        return openai_code(fault)


def openai_code(fault: ErrorDetails) -> str:
    """What OpenAI calls this kind of fault."""
    kind, bounds = fault["type"], fault.get("ctx", {})
    if kind in CODES:
        return CODES[kind]
    if kind.endswith("_type"):
        return "invalid_type"
    if kind == "too_long":
        is_list = bounds["field_type"] == "List"
        return "array_above_max_length" if is_list else "object_above_max_properties"
    if kind in ("less_than_equal", "greater_than_equal"):
        bound = bounds.get("le", bounds.get("ge"))
        number = "decimal" if isinstance(bound, float) else "integer"
        side = "above_max" if kind.startswith("less") else "below_min"
        return f"{number}_{side}_value"
    return "invalid_value"


def invalid(param: str, rule: str, code: str = "invalid_value") -> FieldError:
    """A field that breaks a rule which no type can say."""
    return FieldError(f"Invalid value for '{param}': {rule}.", param=param, code=code)


def unsupported(param: str, rule: str) -> HeadraceError:
    """A parameter of OpenAI's that nothing here honours: better refused than dropped."""
    return HeadraceError(
        Reason.UNSUPPORTED_PARAMETER, f"Unsupported value for '{param}': {rule}.", param=param
    )


def refuse_given(body: Body, refused: Mapping[str, str], prefix: str = "") -> None:
    """Raise for the first of these fields that is given at all; `refused` has their rules."""
    for param, rule in refused.items():
        if getattr(body, param) is not None:
            raise unsupported(prefix + param, rule)


def json_text(value: JsonObject, param: str) -> str:
    """Compact, as JSON.stringify writes it: signatures cover this text."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        raise invalid(param, "NaN and infinities are not JSON") from error
