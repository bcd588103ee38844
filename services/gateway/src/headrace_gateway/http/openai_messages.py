"""A conversation as `/v1/chat/completions` takes it, and as the pipeline has it."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from headrace_gateway.domain.completion import Message, ToolCall
from headrace_gateway.http.openai_rules import (
    FunctionName,
    JsonObject,
    OpenAIBody,
    invalid,
    refuse_given,
    unsupported,
)

CallId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
UNREAD = {"audio": "models here write text only"}
UNREAD_OF_PARTS = {"prompt_cache_breakpoint": "prefixes are reused without being told where"}


class ContentPart(OpenAIBody):
    """A piece of a message's content. Models here read text; other kinds are refused by name."""

    type: Literal["text", "refusal", "image_url", "input_audio", "file"]
    text: str | None = None
    refusal: str | None = None
    image_url: Any = None
    input_audio: Any = None
    file: Any = None
    prompt_cache_breakpoint: Any = None

    def read(self, param: str) -> str:
        """Its text; raises UNSUPPORTED_PARAMETER for other kinds, and INVALID_FIELD without one."""
        if self.type not in ("text", "refusal"):
            raise unsupported(f"{param}.type", f"this model reads text only, no {self.type}")
        refuse_given(self, UNREAD_OF_PARTS, f"{param}.")
        text = self.text if self.type == "text" else self.refusal
        if text is None:
            raise invalid(f"{param}.{self.type}", "is required", "missing_required_parameter")
        return text


class CalledFunction(OpenAIBody):
    """A function that was called, with its arguments as JSON text."""

    name: FunctionName
    arguments: str


class ToolCallField(OpenAIBody):
    """A call that the model made."""

    id: CallId
    type: Literal["function"]
    function: CalledFunction

    def domain(self) -> ToolCall:
        return ToolCall(self.id, self.function.name, self.function.arguments)


class ChatMessage(OpenAIBody):
    """One turn. `refusal`, `annotations` and `audio` are there so that answers can be sent back."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[ContentPart], Field(max_length=256)] | None = None
    name: Annotated[str, StringConstraints(max_length=64)] | None = None
    refusal: str | None = None
    annotations: list[JsonObject] | None = None
    audio: Any = None
    tool_call_id: CallId | None = None
    tool_calls: Annotated[list[ToolCallField], Field(max_length=128)] | None = None
    function_call: CalledFunction | None = None

    def domain(self, param: str) -> Message:
        """The turn; raises INVALID_FIELD and UNSUPPORTED_PARAMETER for a part of `param`."""
        self._check(param)
        if self.role == "function":
            return Message("tool", self._text(param), tool_call_id=_call_id(self.name or ""))
        return Message(
            self.role, self._text(param), self.name, self.tool_call_id, tuple(self._calls())
        )

    def _check(self, param: str) -> None:
        refuse_given(self, UNREAD, f"{param}.")
        calls = self.tool_calls or self.function_call
        if not self.content and self.content != "" and not calls and self.refusal is None:
            raise invalid(f"{param}.content", "content is required", "missing_required_parameter")
        for name in ("tool_calls", "function_call", "refusal"):
            if getattr(self, name) and self.role != "assistant":
                raise invalid(f"{param}.{name}", "is for role assistant only")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise invalid(f"{param}.tool_call_id", "is required for role tool and only for it")
        if self.role == "function" and not self.name:
            raise invalid(f"{param}.name", "is required for role function")

    def _text(self, param: str) -> str:
        if isinstance(self.content, str):
            return self.content
        parts = enumerate(self.content or ())
        text = "".join(part.read(f"{param}.content[{index}]") for index, part in parts)
        return text or self.refusal or ""

    def _calls(self) -> Iterator[ToolCall]:
        for call in self.tool_calls or ():
            yield call.domain()
        if self.function_call is not None:
            name = self.function_call.name
            yield ToolCall(_call_id(name), name, self.function_call.arguments)


def conversation(turns: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """All turns, oldest first."""
    return tuple(turn.domain(f"messages[{index}]") for index, turn in enumerate(turns))


def _call_id(name: str) -> str:
    """The deprecated calls of functions have no id; answers belong to them by the name."""
    return f"call_{name}"
