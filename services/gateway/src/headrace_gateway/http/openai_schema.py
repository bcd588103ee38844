"""What `/v1/chat/completions` and `/v1/completions` accept, and what each field becomes."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Message,
    ResponseFormat,
    Sampling,
    Tool,
    ToolCall,
)
from headrace_gateway.http.bodies import Body

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
StopText = Annotated[str, StringConstraints(min_length=1, max_length=512)]
TokenCount = Annotated[int, Field(ge=1, le=2**31 - 1)]
FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
CallId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
JsonObject = dict[str, Any]

COMPLETIONS_MAX_TOKENS = 16
"""OpenAI's default for `/v1/completions`; chat has none."""


class StreamOptions(Body):
    """How a stream reports."""

    include_usage: bool = False


class GenerationFields(Body):
    """Fields that both endpoints share."""

    model: ModelName
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    max_tokens: TokenCount | None = None
    n: int | None = Field(default=None, ge=1, le=5)
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _stream_options_need_a_stream(self) -> "GenerationFields":
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true")
        return self

    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def sampling(self, max_tokens: int | None, top_logprobs: int | None) -> Sampling:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Sampling(
            max_tokens=max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=stop,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            logit_bias=_logit_bias(self.logit_bias or {}),
            choices=self.n or 1,
            top_logprobs=top_logprobs,
        )


class TextPart(Body):
    """A piece of a message's content; other kinds than text are refused by name."""

    type: Literal["text"]
    text: str


class CalledFunction(Body):
    """A function that was called, with its arguments as JSON text."""

    name: FunctionName
    arguments: str


class ToolCallField(Body):
    """A call that the model made."""

    id: CallId
    type: Literal["function"]
    function: CalledFunction

    def domain(self) -> ToolCall:
        return ToolCall(self.id, self.function.name, self.function.arguments)


class ChatMessage(Body):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[TextPart], Field(max_length=256)] | None = None
    name: Annotated[str, StringConstraints(max_length=64)] | None = None
    tool_call_id: CallId | None = None
    tool_calls: Annotated[list[ToolCallField], Field(max_length=128)] | None = None

    @model_validator(mode="after")
    def _content_is_there(self) -> "ChatMessage":
        if not self.content and self.content != "" and not self.tool_calls:
            raise ValueError("content is required")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls are for role assistant only")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("tool_call_id is required for role tool and only for it")
        return self

    def domain(self) -> Message:
        calls = tuple(call.domain() for call in self.tool_calls or ())
        return Message(self.role, self._text(), self.name, self.tool_call_id, calls)

    def _text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content or ())


class JsonSchema(Body):
    """The schema of a structured answer."""

    name: str
    schema_: JsonObject = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class ResponseFormatField(Body):
    """`text`, `json_object`, or `json_schema` with its schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _schema_is_there(self) -> "ResponseFormatField":
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is required for type json_schema and only for it")
        return self

    def domain(self) -> ResponseFormat | None:
        if self.type == "text":
            return None
        if self.json_schema is None:
            return ResponseFormat()
        return ResponseFormat(_json_text(self.json_schema.schema_, "response_format"))


class FunctionField(Body):
    """A function that the model may call."""

    name: FunctionName
    description: str = ""
    parameters: JsonObject = Field(default_factory=dict)
    strict: bool | None = None


class ToolField(Body):
    """OpenAI's wrapper around a function."""

    type: Literal["function"]
    function: FunctionField


class FunctionChoice(Body):
    """The function that must be called."""

    name: FunctionName


class ToolChoice(Body):
    """OpenAI's wrapper around the choice of one function."""

    type: Literal["function"]
    function: FunctionChoice


class ChatCompletionBody(GenerationFields):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2048)]
    max_completion_tokens: TokenCount | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormatField | None = None
    tools: list[ToolField] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default"] | None = None

    @model_validator(mode="after")
    def _logprobs_are_asked_for(self) -> "ChatCompletionBody":
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs is only allowed when logprobs is true")
        return self

    def domain(self) -> CompletionRequest:
        """The request; raises UNSUPPORTED_PARAMETER for what no engine here does."""
        if self.store:
            raise _unsupported("store", "answers are not kept")
        choice = self.tool_choice
        max_tokens = self.max_completion_tokens or self.max_tokens
        return CompletionRequest(
            model=self.model,
            input=tuple(turn.domain() for turn in self.messages),
            sampling=self.sampling(max_tokens, (self.top_logprobs or 0) if self.logprobs else None),
            response_format=self.response_format.domain() if self.response_format else None,
            tools=tuple(_tool(tool.function) for tool in self.tools or ()),
            tool_choice=choice.function.name if isinstance(choice, ToolChoice) else choice or "",
            single_tool_call=self.parallel_tool_calls is False,
        )


class CompletionBody(GenerationFields):
    """`POST /v1/completions`."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    logprobs: int | None = Field(default=None, ge=0, le=5)
    echo: bool | None = None
    best_of: int | None = Field(default=None, ge=1)
    suffix: str | None = None

    def domain(self) -> CompletionRequest:
        """The request; raises UNSUPPORTED_PARAMETER for what no engine here does."""
        if self.echo:
            raise _unsupported("echo", "the prompt is not repeated")
        if self.best_of not in {None, 1}:
            raise _unsupported("best_of", "only 1 is supported")
        if self.suffix:
            raise _unsupported("suffix", "insertion is not supported")
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if len(prompts) > 1:
            raise _unsupported("prompt", "only one prompt per request is supported")
        max_tokens = self.max_tokens or COMPLETIONS_MAX_TOKENS
        return CompletionRequest(
            model=self.model,
            input=prompts[0],
            sampling=self.sampling(max_tokens, self.logprobs),
        )


def _tool(function: FunctionField) -> Tool:
    schema = _json_text(function.parameters, "tools")
    return Tool(function.name, function.description, schema)


def _json_text(value: JsonObject, param: str) -> str:
    try:
        # Compact: signatures cover this text, and JSON.stringify writes the same.
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        message = f"Invalid value for '{param}': NaN and infinities are not JSON."
        raise HeadraceError(Reason.INVALID_FIELD, message, param=param) from error


def _logit_bias(biases: dict[str, float]) -> dict[int, float]:
    for token in biases:
        if not (token.isascii() and token.isdigit() and len(token) <= 10 and int(token) < 2**32):
            raise HeadraceError(
                Reason.INVALID_FIELD,
                f"Invalid value for 'logit_bias': {token[:20]!r} is not a token id.",
                param="logit_bias",
            )
    return {int(token): bias for token, bias in biases.items()}


def _unsupported(param: str, rule: str) -> HeadraceError:
    return HeadraceError(
        Reason.UNSUPPORTED_PARAMETER, f"Unsupported value for '{param}': {rule}.", param=param
    )
