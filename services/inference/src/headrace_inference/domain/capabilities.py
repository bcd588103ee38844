"""What a model can be asked for; a request for more is refused, and told which part of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    Prompt,
    Regex,
)


class Feature(StrEnum):
    """What some engines or models honour and others do not; a value is the parameter's name."""

    CHAT = "messages"
    NAMES = "messages.name"
    CHOICES = "choices"
    TOP_LOGPROBS = "top_logprobs"
    LOGIT_BIAS = "logit_bias"
    RESPONSE_FORMAT = "response_format"
    GRAMMAR = "response_format.grammar"
    TOOLS = "tools"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`features` are for generating; a model without `embedding_dimensions` makes no embeddings.

    Where the engine has no tokenizer (`tokenizes`) the tokens of a prompt are estimated.
    """

    features: frozenset[Feature] = frozenset()
    generates: bool = True
    embedding_dimensions: int | None = None
    tokenizes: bool = True

    def check(self, request: GenerationRequest) -> None:
        """Raise UNSUPPORTED_PARAMETER for the first part of the request that is not honoured."""
        if not self.generates:
            raise _unsupported("model", "this one makes embeddings only")
        for feature, param in _asked_for(request):
            if feature not in self.features:
                raise _unsupported(param, "this model cannot honour it")

    def check_prompt(self, prompt: Prompt) -> None:
        """The same for a prompt that is only to be tokenized."""
        if not self.tokenizes:
            raise _unsupported("model", "this one's server does not tell tokens")
        for feature, param in _asked_for_by(prompt):
            if feature not in self.features:
                raise _unsupported(param, "this model cannot honour it")

    def check_embedding(self) -> None:
        """Raise UNSUPPORTED_PARAMETER for a model that makes no embeddings."""
        if self.embedding_dimensions is None:
            raise _unsupported("model", "this one makes no embeddings")


def _asked_for(request: GenerationRequest) -> Iterator[tuple[Feature, str]]:
    yield from _asked_for_by(request.prompt)
    sampling = request.sampling
    asked = {
        Feature.CHOICES: sampling.choices > 1,
        Feature.TOP_LOGPROBS: sampling.top_logprobs is not None,
        Feature.LOGIT_BIAS: bool(sampling.logit_bias),
        Feature.RESPONSE_FORMAT: isinstance(request.response_format, JsonObject | JsonSchema),
        Feature.GRAMMAR: isinstance(request.response_format, Regex | Grammar),
        Feature.TOOLS: bool(request.tools),
    }
    yield from ((feature, feature.value) for feature, present in asked.items() if present)
    if request.tool_choice not in ("", "none", "auto"):
        yield Feature.TOOLS, "tool_choice"


def _asked_for_by(prompt: Prompt) -> Iterator[tuple[Feature, str]]:
    if isinstance(prompt, str):
        return
    yield Feature.CHAT, Feature.CHAT.value
    for index, message in enumerate(prompt):
        yield from ((feature, f"messages[{index}].{part}") for feature, part in _parts(message))


def _parts(message: Message) -> Iterator[tuple[Feature, str]]:
    if message.name:
        yield Feature.NAMES, "name"
    if message.tool_calls:
        yield Feature.TOOLS, "tool_calls"
    if message.role == "tool":
        yield Feature.TOOLS, "role"


def _unsupported(param: str, why: str) -> HeadraceError:
    return HeadraceError(Reason.UNSUPPORTED_PARAMETER, f"{param}: {why}", param=param)
