"""What is asked of a model and what comes back, independent of any public API's shape."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, final

from headrace_gateway.domain.answer_keys import AnswerKey
from headrace_gateway.domain.plain_json import plain_json

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Priority = Literal["interactive", "batch"]
"""Whether somebody waits for the answer; who goes first when there is a queue."""
MODEL_CHARACTERS = 200
"""No model's id is longer, on any way in."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made; `arguments` are JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; content parts are joined already."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()

    def texts(self, json_as: Callable[[str], str] = plain_json) -> Iterator[str]:
        """Its content, even if that is empty, and whatever else the model reads of it."""
        yield from filter(None, (self.name, self.tool_call_id))
        yield self.content
        for call in self.tool_calls:
            yield from (call.id, call.name, json_as(call.arguments))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; None takes the engine's stated default."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    choices: int = 1
    top_logprobs: int | None = None

    @property
    def is_deterministic(self) -> bool:
        """Whether the same request always gets the same answer."""
        return self.temperature == 0


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """A form that the answer must have; `schema_json` None means any JSON object."""

    schema_json: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    parameters_schema_json: str


@final
@dataclass(frozen=True)
class CompletionRequest:
    """One request for one or several completions of a conversation or of a plain prompt."""

    model: str
    input: tuple[Message, ...] | str
    sampling: Sampling = Sampling()
    response_format: ResponseFormat | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    single_tool_call: bool = False
    priority: Priority = "interactive"

    @property
    def input_name(self) -> str:
        """What callers call it."""
        return "prompt" if isinstance(self.input, str) else "messages"

    def texts(self) -> Sequence[str]:
        """Every text that the model reads: the tools', the form's, and the input's in order.

        JSON is without needless escapes, behind which a text could hide from whoever looks for it.
        """
        return self._texts

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        """Several stages ask, and to write JSON plainly takes time."""
        return tuple(self._read(plain_json))

    def _read(self, json_as: Callable[[str], str]) -> Iterator[str]:
        for tool in self.tools:
            yield from (tool.name, tool.description, json_as(tool.parameters_schema_json))
        if self.response_format and self.response_format.schema_json:
            yield json_as(self.response_format.schema_json)
        if isinstance(self.input, str):
            yield self.input
        else:
            for message in self.input:
                yield from message.texts(json_as)

    def written(self) -> Iterator[str]:
        """The same as it stands in the request: an engine may read the escapes, too."""
        return self._read(str)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """Exactly which weights answer."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What may be asked of a model; `parameters` are those that not every one honours."""

    generates: bool = True
    parameters: tuple[str, ...] = ()
    embedding_dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model on offer, as `/v1/models` shows it; and whose signature its answers carry, if any."""

    model: ModelVersion
    context_tokens: int
    loaded_at_seconds: int
    answer_keys: tuple[AnswerKey, ...] = ()
    capabilities: Capabilities = Capabilities()


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token with the natural logarithm of its probability, and its likeliest rivals."""

    token: str
    logprob: float
    token_bytes: bytes
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A piece of a choice's call number `index`; id and name are in the first one only."""

    index: int
    arguments: str
    id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The engine works on the request; everything that could be refused has been."""

    model: ModelVersion
    queue_seconds: float
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """Text and pieces of calls that became ready, of one choice."""

    choice: int
    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[ToolCallPart, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether there is anything in it for the caller."""
        return bool(self.text or self.logprobs or self.tool_calls)

    def join(self, following: "Delta") -> "Delta":
        """This delta and the following one of the same choice as one."""
        return Delta(
            self.choice,
            self.text + following.text,
            self.tokens + following.tokens,
            self.logprobs + following.logprobs,
            self.tool_calls + following.tool_calls,
        )


@dataclass(frozen=True, slots=True)
class AnswerSignature:
    """The model server's word for an answer; two compact JWS, specified in the inference proto."""

    statement: str
    certificate: str


@dataclass(frozen=True, slots=True)
class Finished:
    """How the answer ended and what it used."""

    model: ModelVersion
    finish_reasons: tuple[FinishReason, ...]
    prompt_tokens: int
    completion_tokens: int
    signature: AnswerSignature | None = None
    cut_by: str = ""
    """Why we ended the answer before the model did, if we did."""


Event = Started | Delta | Finished
Events = AsyncGenerator[Event, None]
"""Exactly one Started, any number of Delta, exactly one Finished at the end; or an error."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One complete choice."""

    text: str
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: what a caller that does not stream gets, and what the cache keeps."""

    model: ModelVersion
    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int


class AnswerBuilder:
    """Collects the events of one answer."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}
        self._logprobs: dict[int, list[TokenLogprob]] = {}
        self._calls: dict[int, dict[int, list[ToolCallPart]]] = {}

    def add(self, delta: Delta) -> None:
        self._texts.setdefault(delta.choice, []).append(delta.text)
        self._logprobs.setdefault(delta.choice, []).extend(delta.logprobs)
        calls = self._calls.setdefault(delta.choice, {})
        for part in delta.tool_calls:
            calls.setdefault(part.index, []).append(part)

    def finish(self, finished: Finished) -> Answer:
        """The whole answer; choices that never had text are empty."""
        choices = tuple(
            Choice(
                text="".join(self._texts.get(index, ())),
                finish_reason=reason,
                logprobs=tuple(self._logprobs.get(index, ())),
                tool_calls=tuple(
                    _whole(parts) for _, parts in sorted(self._calls.get(index, {}).items())
                ),
            )
            for index, reason in enumerate(finished.finish_reasons)
        )
        return Answer(finished.model, choices, finished.prompt_tokens, finished.completion_tokens)


def _whole(parts: Sequence[ToolCallPart]) -> ToolCall:
    return ToolCall(
        "".join(part.id for part in parts),
        "".join(part.name for part in parts),
        "".join(part.arguments for part in parts),
    )
