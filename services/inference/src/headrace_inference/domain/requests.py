"""What a caller asks for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from headrace_inference.domain.waiting_line import Priority

NO_BIAS: Mapping[int, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; its parameters' JSON Schema is JSON text, or empty."""

    name: str
    description: str = ""
    parameters_schema: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made; `arguments` are JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is system, developer, user, assistant or tool."""

    role: str
    content: str
    name: str = ""
    tool_call_id: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


Prompt = str | tuple[Message, ...]
"""A text to be completed as it is, or a conversation, oldest turn first."""


def texts_of(prompt: Prompt, tools: Iterable[Tool] = ()) -> Iterator[str]:
    """Everything that a model reads of them, beside what its template puts around it."""
    for tool in tools:
        yield from (tool.name, tool.description, tool.parameters_schema)
    if isinstance(prompt, str):
        yield prompt
        return
    for turn in prompt:
        yield from (turn.content, turn.name, turn.tool_call_id)
        for call in turn.tool_calls:
            yield from (call.id, call.name, call.arguments)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; the meanings are those of OpenAI's parameters of the same names."""

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=lambda: NO_BIAS)
    choices: int = 1
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The answer must be some JSON object."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The answer must be JSON that fits the schema, given as JSON text."""

    schema: str


@dataclass(frozen=True, slots=True)
class Regex:
    """The answer must match as a whole."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """The answer must be a text of the grammar, which is in llguidance's dialect of Lark."""

    lark: str


ResponseFormat = JsonObject | JsonSchema | Regex | Grammar


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One request; `organization_id` is the tenant, `request_id` is for logs and traces."""

    request_id: str
    organization_id: str
    model: str
    prompt: Prompt
    sampling: Sampling = Sampling()
    response_format: ResponseFormat | None = None
    priority: Priority = Priority.INTERACTIVE
    tools: tuple[Tool, ...] = ()
    tool_choice: str = ""
    """`none`, `auto`, `required` or a tool's name; empty is `auto`."""
    single_tool_call: bool = False

    @property
    def offered_tools(self) -> tuple[Tool, ...]:
        """Those that this answer may call."""
        if self.tool_choice == "none":
            return ()
        named = tuple(tool for tool in self.tools if tool.name == self.tool_choice)
        return named or self.tools

    @property
    def must_call(self) -> bool:
        """Whether the answer has to be a call."""
        return self.tool_choice not in ("", "none", "auto")


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to be turned into vectors, each of `dimensions` numbers if that is given."""

    request_id: str
    organization_id: str
    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    priority: Priority = Priority.INTERACTIVE

    def part(self, first: int, last: int) -> "EmbeddingRequest":
        """The same for the texts from `first` to before `last`."""
        return replace(self, texts=self.texts[first:last])
