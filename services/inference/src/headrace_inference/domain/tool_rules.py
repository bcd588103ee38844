"""Bounds on tools, and on calls in the conversation; refused before they could cost anything."""

import json
import re
from collections.abc import Iterable

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.requests import GenerationRequest, Prompt, Tool, ToolCall

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
RESERVED = ("none", "auto", "required")
"""What `tool_choice` may be beside a name, so no tool is called so."""
MAXIMUM_TOOLS = 128
MAXIMUM_TOOL_CHARACTERS = 65_536
MAXIMUM_CALLS = 128


def check_tools(request: GenerationRequest) -> None:
    """Raise INVALID_FIELD for tools that are malformed, too many or too long, or a wrong choice."""
    names = [tool.name for tool in request.tools]
    _require(not (names and isinstance(request.prompt, str)), "tools", "are for messages only")
    _require(len(names) <= MAXIMUM_TOOLS, "tools", f"must be at most {MAXIMUM_TOOLS}")
    for index, name in enumerate(names):
        param = f"tools[{index}].name"
        _require(NAME.fullmatch(name) is not None, param, f"must match {NAME.pattern}")
        _require(name not in RESERVED, param, f"must not be {name}, which `tool_choice` means")
        _require(name not in names[:index], param, "must be different from the others")
    characters = sum(map(_characters, request.tools))
    bound = f"must have at most {MAXIMUM_TOOL_CHARACTERS} characters together"
    _require(characters <= MAXIMUM_TOOL_CHARACTERS, "tools", bound)
    choice = request.tool_choice
    known = choice in ("", "none", "auto") or choice in names or (choice == "required" and names)
    bound = f"must be {', '.join(RESERVED)} or a tool's name, and there must be tools to be called"
    _require(bool(known), "tool_choice", bound)


def check_calls(prompt: Prompt) -> None:
    """Raise INVALID_FIELD for calls that no template could write."""
    if isinstance(prompt, str):
        return
    for index, turn in enumerate(prompt):
        param = f"messages[{index}].tool_calls"
        _require(not turn.tool_calls or turn.role == "assistant", param, "are for role assistant")
        _check_calls(param, turn.tool_calls)


def _check_calls(param: str, calls: Iterable[ToolCall]) -> None:
    for number, call in enumerate(calls):
        _require(number < MAXIMUM_CALLS, param, f"must be at most {MAXIMUM_CALLS}")
        named = NAME.fullmatch(call.name) is not None
        _require(named, f"{param}[{number}].name", f"must match {NAME.pattern}")
        is_object = is_json_object(call.arguments)
        _require(is_object, f"{param}[{number}].arguments", "must be a JSON object")


def is_json_object(text: str) -> bool:
    """Whether a text is one JSON object, as a call's arguments must be."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair would be no text
        return isinstance(value, dict)
    except (ValueError, RecursionError):
        return False


def _characters(tool: Tool) -> int:
    return len(tool.name) + len(tool.description) + len(tool.parameters_schema)


def _require(condition: bool, param: str, rule: str) -> None:
    if not condition:
        raise HeadraceError(Reason.INVALID_FIELD, f"{param} {rule}", param=param)
