"""Tools and calls in llama.cpp's words, and calls that a grammar forces."""

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from headrace_inference.adapters.chat_template import plain_json
from headrace_inference.adapters.forms.schema_text import parse_schema
from headrace_inference.domain.events import ToolCallPart
from headrace_inference.domain.requests import GenerationRequest, Message, Tool
from headrace_inference.domain.tool_rules import is_json_object

END = "}"
"""What follows the arguments of a forced call."""


def is_free_to_call(request: GenerationRequest) -> bool:
    """Whether the model decides, so that llama.cpp must find calls in what it writes."""
    return bool(request.offered_tools) and not request.must_call


def template_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools for the model's chat template."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": json.loads(schema_of(tool)),
            },
        }
        for tool in tools
    ]


def schema_of(tool: Tool, param: str = "tools") -> str:
    """The JSON Schema of its parameters, which are an object even where it does not say so.

    Raises INVALID_FIELD, naming `param`, for one that is no JSON.
    """
    parsed = parse_schema(tool.parameters_schema or "{}", param)
    return json.dumps({"type": "object"} | parsed if isinstance(parsed, dict) else parsed)


def template_texts(turns: Iterable[Message], tools: Iterable[Tool]) -> Iterator[tuple[str, str]]:
    """What a template writes beside the messages' contents, each with its field's name."""
    for index, turn in enumerate(turns):
        yield f"messages[{index}].tool_call_id", turn.tool_call_id
        for call in turn.tool_calls:
            yield f"messages[{index}].tool_calls", f"{call.id} {plain_json(call.arguments)}"
    for index, tool in enumerate(tools):
        yield f"tools[{index}].description", tool.description
        yield f"tools[{index}].parameters", plain_json(schema_of(tool))


def call_grammar(tools: Sequence[Tool]) -> str:
    """A grammar, in llguidance's words, of one call of one of the tools and nothing else.

    It is not the template's own form of a call: llama.cpp's grammar of that one lets the model
    write as much text before the call as it likes.
    """
    names = [f"call_{number}" for number in range(len(tools))]
    rules = [
        f"{name}: {json.dumps(_head(tool.name))} %json {schema_of(tool)} {json.dumps(END)}"
        for name, tool in zip(names, tools, strict=True)
    ]
    return "\n".join(["%llguidance {}", f"start: {' | '.join(names)}", *rules])


class ForcedCall:
    """Reads text under `call_grammar` as the parts of a call."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._heads = {_head(tool.name): tool.name for tool in tools}
        self._written = ""
        self._arguments = ""
        self._begun = False

    @property
    def is_complete(self) -> bool:
        """Whether what was read is a whole call, whose arguments are a JSON object."""
        return self._begun and self._written == END and is_json_object(self._arguments)

    def feed(self, text: str) -> tuple[ToolCallPart, ...]:
        """The part that the text completes; the last END is never part of the arguments."""
        self._written += text
        if not self._begun:
            head = next(filter(self._written.startswith, self._heads), None)
            if head is None:
                return ()
            self._begun = True
            self._written = self._written.removeprefix(head)
            first = ToolCallPart(0, "", f"call_{secrets.token_hex(12)}", self._heads[head])
            return (first, *self.feed(""))
        whole = self._written.endswith(END)
        arguments, self._written = (
            (self._written.removesuffix(END), END) if whole else (self._written, "")
        )
        self._arguments += arguments
        return (ToolCallPart(0, arguments),) if arguments else ()


def call_parts(calls: Iterable[dict[str, Any]]) -> tuple[ToolCallPart, ...]:
    """The `tool_calls` of a streamed chat delta."""
    return tuple(
        ToolCallPart(
            call["index"],
            call["function"].get("arguments", ""),
            call.get("id", ""),
            call["function"].get("name", ""),
        )
        for call in calls
    )


def _head(name: str) -> str:
    return f'{{"name": "{name}", "arguments": '
