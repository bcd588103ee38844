"""From the proto's requests to the domain's, with errors that name the field and the rule."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import (
    MODEL_CHARACTERS,
    CompletionRequest,
    Message,
    ResponseFormat,
    Sampling,
    Tool,
    ToolCall,
)
from headrace_gateway.domain.embedding import EmbeddingRequest

NAME_CHARACTERS = 64
CALL_ID_CHARACTERS = 200
STOP_CHARACTERS = 512
MAXIMUM_STOPS = 4
MAXIMUM_MESSAGES = 2048
MAXIMUM_TOOLS = 128
MAXIMUM_CALLS = 128
MAXIMUM_BIASES = 1024
MAXIMUM_TEXTS = 2048
FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

RoleName = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: Mapping[int, RoleName] = MappingProxyType(
    {
        pb.ROLE_SYSTEM: "system",
        pb.ROLE_DEVELOPER: "developer",
        pb.ROLE_USER: "user",
        pb.ROLE_ASSISTANT: "assistant",
        pb.ROLE_TOOL: "tool",
    }
)
BOUNDS = MappingProxyType(
    {
        "max_tokens": (1, 2**31 - 1),
        "temperature": (0, 2),
        "top_p": (0, 1),
        "frequency_penalty": (-2, 2),
        "presence_penalty": (-2, 2),
        "choices": (1, 5),
        "top_logprobs": (0, 20),
    }
)
"""Of the sampling's numbers: lowest and highest."""
OTHER_NAMES = MappingProxyType(
    {"n": "sampling.choices", "messages": "conversation.messages", "input": "texts"}
)
"""What OpenAI's API calls otherwise."""


def completion_request(message: pb.CompleteRequest) -> CompletionRequest:
    """Raises INVALID_FIELD."""
    _require_text("model", message.model, MODEL_CHARACTERS)
    choice = message.tool_choice
    named = not choice or FUNCTION_NAME.fullmatch(choice) is not None
    _require(named, "tool_choice", "must be none, auto, required or a function's name")
    has_format = message.HasField("response_format")
    return CompletionRequest(
        model=message.model,
        input=_input(message),
        sampling=_sampling(message.sampling),
        response_format=_response_format(message.response_format) if has_format else None,
        tools=_tools(message.tools),
        tool_choice=choice,
        single_tool_call=message.single_tool_call,
    )


def embedding_request(message: pb.EmbedRequest) -> EmbeddingRequest:
    """Raises INVALID_FIELD."""
    _require_text("model", message.model, MODEL_CHARACTERS)
    count = len(message.texts)
    _require(1 <= count <= MAXIMUM_TEXTS, "texts", f"must be 1 to {MAXIMUM_TEXTS} texts")
    for index, text in enumerate(message.texts):
        _require(bool(text), f"texts[{index}]", "must not be empty")
    dimensions = _optional(message, "dimensions")
    _require(dimensions is None or dimensions >= 1, "dimensions", "must be at least 1")
    return EmbeddingRequest(message.model, tuple(message.texts), dimensions)


def field_name(param: str) -> str:
    """A field's name in this API, from its name in OpenAI's API, which the pipeline uses."""
    name, rest = re.fullmatch(r"(\w*)(.*)", param, re.DOTALL).groups()  # type: ignore[union-attr]
    if name in BOUNDS or name in ("seed", "stop", "logit_bias"):
        return f"sampling.{param}"
    return f"{OTHER_NAMES.get(name, name)}{rest}"


def _input(message: pb.CompleteRequest) -> tuple[Message, ...] | str:
    which = message.WhichOneof("input")
    _require(which is not None, "input", "is missing: set conversation or prompt")
    if which == "prompt":
        _require(bool(message.prompt), "prompt", "must not be empty")
        return message.prompt
    turns, name = message.conversation.messages, "conversation.messages"
    _require(1 <= len(turns) <= MAXIMUM_MESSAGES, name, f"must be 1 to {MAXIMUM_MESSAGES} messages")
    return tuple(_message(f"{name}[{index}]", turn) for index, turn in enumerate(turns))


def _message(at: str, turn: pb.Message) -> Message:
    role = ROLES.get(turn.role)
    if role is None:
        raise _invalid(f"{at}.role", f"must be one of {', '.join(ROLES.values())}")
    short = len(turn.name) <= NAME_CHARACTERS
    _require(short, f"{at}.name", f"must have at most {NAME_CHARACTERS} characters")
    answers = bool(turn.tool_call_id) == (role == "tool")
    _require(answers, f"{at}.tool_call_id", "is required for the role tool and only for it")
    if turn.tool_call_id:
        _require_text(f"{at}.tool_call_id", turn.tool_call_id, CALL_ID_CHARACTERS)
    calls = not turn.tool_calls or role == "assistant"
    _require(calls, f"{at}.tool_calls", "are for the role assistant only")
    few = len(turn.tool_calls) <= MAXIMUM_CALLS
    _require(few, f"{at}.tool_calls", f"must be at most {MAXIMUM_CALLS}")
    return Message(
        role,
        turn.content,
        turn.name or None,
        turn.tool_call_id or None,
        tuple(_call(f"{at}.tool_calls[{i}]", call) for i, call in enumerate(turn.tool_calls)),
    )


def _call(at: str, call: pb.ToolCall) -> ToolCall:
    _require_text(f"{at}.id", call.id, CALL_ID_CHARACTERS)
    _require_function_name(f"{at}.name", call.name)
    return ToolCall(call.id, call.name, call.arguments_json)


def _tools(tools: Sequence[pb.Tool]) -> tuple[Tool, ...]:
    _require(len(tools) <= MAXIMUM_TOOLS, "tools", f"must be at most {MAXIMUM_TOOLS}")
    for index, tool in enumerate(tools):
        _require_function_name(f"tools[{index}].name", tool.name)
    return tuple(Tool(t.name, t.description, t.parameters_schema_json or "{}") for t in tools)


def _response_format(message: pb.ResponseFormat) -> ResponseFormat:
    which = message.WhichOneof("format")
    _require(which is not None, "response_format", "must be json_object or json_schema")
    if which == "json_object":
        return ResponseFormat()
    schema = message.json_schema.schema_json
    _require(bool(schema), "response_format.json_schema.schema_json", "must not be empty")
    return ResponseFormat(schema)


def _sampling(message: pb.Sampling) -> Sampling:
    for name, (lowest, highest) in BOUNDS.items():
        value = _optional(message, name)
        inside = value is None or lowest <= value <= highest  # which NaN is not
        _require(inside, f"sampling.{name}", f"must be from {lowest} to {highest}")
    top_p = _optional(message, "top_p")
    _require(top_p is None or top_p > 0, "sampling.top_p", "must be above 0")
    few = len(message.stop) <= MAXIMUM_STOPS
    _require(few, "sampling.stop", f"must be at most {MAXIMUM_STOPS} texts")
    for index, stop in enumerate(message.stop):
        _require_text(f"sampling.stop[{index}]", stop, STOP_CHARACTERS)
    biases = dict(message.logit_bias)
    few = len(biases) <= MAXIMUM_BIASES
    _require(few, "sampling.logit_bias", f"must have at most {MAXIMUM_BIASES} entries")
    bounded = all(-100 <= bias <= 100 for bias in biases.values())
    _require(bounded, "sampling.logit_bias", "must be from -100 to 100")
    return Sampling(
        max_tokens=_optional(message, "max_tokens"),
        temperature=_optional(message, "temperature"),
        top_p=top_p,
        seed=_optional(message, "seed"),
        stop=tuple(message.stop),
        frequency_penalty=_optional(message, "frequency_penalty"),
        presence_penalty=_optional(message, "presence_penalty"),
        logit_bias=biases,
        choices=_optional(message, "choices") or 1,
        top_logprobs=_optional(message, "top_logprobs"),
    )


def _optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _require_text(param: str, text: str, characters: int) -> None:
    inside = 1 <= len(text) <= characters
    _require(inside, param, f"must have 1 to {characters} characters")


def _require_function_name(param: str, name: str) -> None:
    matches = FUNCTION_NAME.fullmatch(name) is not None
    _require(matches, param, "must be 1 to 64 of letters, digits, _ and -")


def _require(condition: bool, param: str, rule: str) -> None:
    if not condition:
        raise _invalid(param, rule)


def _invalid(param: str, rule: str) -> HeadraceError:
    return HeadraceError(Reason.INVALID_FIELD, f"{param} {rule}.", param=param)
