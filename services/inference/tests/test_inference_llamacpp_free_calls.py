"""Tools that would hold up llama.cpp's decoding for all are refused where the model is free."""

import json
from dataclasses import replace
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.request import chat_body, completion_body
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
        properties(300),
        {"properties": {"deep": {"items": [properties(300)]}}, "required": ["deep"]},
    ],
)
def test_a_tool_that_leaves_too_much_open_is_refused(schema: dict[str, Any]) -> None:
    tools = (Tool("fine"), Tool("open", "", json.dumps(schema)))
    request = replace(question("hi"), tools=tools)
    with pytest.raises(HeadraceError) as caught:
        chat_body(request, (), 1)
    assert (caught.value.reason, caught.value.param) == (
        Reason.INVALID_FIELD,
        "tools[1].parameters",
    )
    assert completion_body(replace(request, tool_choice="required"), (), 1)["grammar"]


@pytest.mark.parametrize(
    "schema",
    [
        matching(r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z?)?$"),
        matching(r"^(\d{1,3}\.){3}\d{1,3}$"),
        matching(r"^[^@]+@[^@]+\.[a-z]{2,63}$"),
        properties(40),
        properties(300, required=300),
        {"properties": 3, "required": 4, "pattern": 5},
    ],
)
def test_common_tools_are_not(schema: dict[str, Any]) -> None:
    request = replace(question("hi"), tools=(Tool("fine", "", json.dumps(schema)),))
    assert chat_body(request, (), 1)["tools"]
