"""Tools and who may choose them, with the deprecated `functions` and `function_call`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from headrace_gateway.domain.completion import Tool
from headrace_gateway.http.openai_rules import (
    FunctionName,
    JsonObject,
    OpenAIBody,
    invalid,
    json_text,
)


class FunctionField(OpenAIBody):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject = Field(default_factory=dict)
    strict: bool | None = None

    def domain(self, param: str) -> Tool:
        return Tool(self.name, self.description or "", json_text(self.parameters, param))


class ToolField(OpenAIBody):
    """OpenAI's wrapper around a function."""

    type: Literal["function"]
    function: FunctionField


class FunctionChoice(OpenAIBody):
    """The function that must be called."""

    name: FunctionName


class ToolChoice(OpenAIBody):
    """OpenAI's wrapper around the choice of one function."""

    type: Literal["function"]
    function: FunctionChoice


class AllowedTools(OpenAIBody):
    """Some of the tools, of which one must be called, or may be."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[ToolChoice], Field(min_length=1, max_length=128)]


class AllowedToolsChoice(OpenAIBody):
    """OpenAI's wrapper around the choice of some tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


AnyToolChoice = Literal["none", "auto", "required"] | ToolChoice | AllowedToolsChoice
AnyFunctionChoice = Literal["none", "auto"] | FunctionChoice


@dataclass(frozen=True, slots=True)
class Offer:
    """What the model may call, and what it must; as the pipeline has it."""

    tools: tuple[Tool, ...] = ()
    choice: str = ""


def offered_tools(given: Sequence[ToolField], choice: AnyToolChoice | None) -> Offer:
    """From `tools` and `tool_choice`."""
    tools = tuple(tool.function.domain("tools") for tool in given)
    if choice is not None and not tools:
        raise invalid("tool_choice", "is only allowed when tools are given")
    if isinstance(choice, ToolChoice):
        return Offer(tools, choice.function.name)
    if isinstance(choice, AllowedToolsChoice):
        allowed = {tool.function.name for tool in choice.allowed_tools.tools}
        if unknown := sorted(allowed - {tool.name for tool in tools}):
            raise invalid("tool_choice", f"there is no tool {unknown[0]}")
        kept = tuple(tool for tool in tools if tool.name in allowed)
        return Offer(kept, choice.allowed_tools.mode)
    return Offer(tools, choice or "")


def offered_functions(given: Sequence[FunctionField], choice: AnyFunctionChoice | None) -> Offer:
    """From `functions` and `function_call`."""
    tools = tuple(function.domain("functions") for function in given)
    if choice is not None and not tools:
        raise invalid("function_call", "is only allowed when functions are given")
    return Offer(tools, choice.name if isinstance(choice, FunctionChoice) else choice or "")
