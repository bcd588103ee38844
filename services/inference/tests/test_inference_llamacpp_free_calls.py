"""Tools that would hold up llama.cpp's decoding for all are refused where the model is free."""

import json
from dataclasses import replace
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.free_calls import check_free_tools
from headrace_inference.adapters.llamacpp.request import chat_body
from headrace_inference.domain.requests import Tool
from headrace_inference.testing import question


def properties(count: int, required: int = 0) -> dict[str, Any]:
    names = [f"p{number}" for number in range(count)]
    return {"properties": {name: {} for name in names}, "required": names[:required]}


def matching(pattern: str) -> dict[str, Any]:
    return {"properties": {"a": {"type": "string", "pattern": pattern}}}


@pytest.mark.parametrize(
    "schema",
    [
        matching("^((a?){1,15}){1,15}$"),
        matching("^(a?){300}$"),
        matching("a?" * 100),
        matching("^[a-z]{5000}$"),
        {"properties": {"a": {"type": "array", "minItems": 90_000}}},
        {"items": {"items": {"maxLength": 40}, "maxItems": 40}},
        properties(300),
        {"properties": {"deep": {"items": [properties(300)]}}, "required": ["deep"]},
    ],
)
def test_a_tool_that_leaves_too_much_open_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_free_tools((Tool("fine"), Tool("open", "", json.dumps(schema))))
    assert (caught.value.reason, caught.value.param) == (
        Reason.INVALID_FIELD,
        "tools[1].parameters",
    )


@pytest.mark.parametrize(
    "schema",
    [
        matching(r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z?)?$"),
        matching(r"^(\d{1,3}\.){3}\d{1,3}$"),
        matching(r"^[^@]+@[^@]+\.[a-z]{2,63}$"),
        properties(40),
        matching("^[a-z]{1000}$"),
        {"properties": {"a": {"type": "string", "maxLength": 1000}}},
        properties(300, required=300),
        {"properties": 3, "required": 4, "pattern": 5},
    ],
)
def test_common_tools_are_not(schema: dict[str, Any]) -> None:
    tool = Tool("fine", "", json.dumps(schema))
    check_free_tools([tool])
    request = replace(question("hi"), tools=(tool,))
    assert chat_body(request, (), 1)["tools"]
