"""Bounds on what may be asked; everything here is refused before it could wait or cost anything."""

import math
from collections.abc import Iterable, Sequence

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.requests import (
    EmbeddingRequest,
    GenerationRequest,
    Grammar,
    JsonSchema,
    Prompt,
    Regex,
    ResponseFormat,
    Sampling,
    Tool,
    texts_of,
)
from headrace_inference.domain.tool_rules import check_calls

ROLES = ("system", "developer", "user", "assistant", "tool")
MAXIMUM_STOPS = 4
MAXIMUM_STOP_CHARACTERS = 512
MAXIMUM_CHOICES = 5
MAXIMUM_TOP_LOGPROBS = 20
MAXIMUM_LOGIT_BIASES = 1024
MAXIMUM_SCHEMA_CHARACTERS = 65_536
MAXIMUM_TEXTS = 2048
MAXIMUM_EMBEDDING_TOKENS = 300_000
"""Of all texts of a request together; both bounds are OpenAI's."""
CHARACTERS_PER_TOKEN = 64
"""More than a token stands for on average, even of spaces: a longer prompt cannot fit."""
BYTES_PER_TOKEN = 4
"""Of English text under common vocabularies; others have fewer, and get a low estimate."""


def check_request(request: GenerationRequest) -> None:
    """Raise INVALID_FIELD, or UNSUPPORTED_PARAMETER for an unknown role; `param` names it."""
    for name in ("request_id", "organization_id", "model"):
        _require(bool(getattr(request, name)), name, "is required")
    check_prompt(request.prompt)
    _check_sampling(request.sampling)
    _check_format(request.response_format)


def check_prompt(prompt: Prompt) -> None:
    """Raise INVALID_FIELD for an empty or malformed one, UNSUPPORTED_PARAMETER for a role."""
    if isinstance(prompt, str):
        _require(bool(prompt), "prompt", "must not be empty")
        return
    _require(bool(prompt), "messages", "must have at least one message")
    for index, message in enumerate(prompt):
        if message.role not in ROLES:
            param = f"messages[{index}].role"
            raise HeadraceError(
                Reason.UNSUPPORTED_PARAMETER,
                f"{param}: this model takes the roles {', '.join(ROLES)}",
                param=param,
            )
    check_calls(prompt)


def check_embedding_request(
    request: EmbeddingRequest, most_dimensions: int, context_tokens: int
) -> None:
    """Raise INVALID_FIELD or CONTEXT_LENGTH_EXCEEDED; `param` names a text by its index."""
    for name in ("request_id", "organization_id"):
        _require(bool(getattr(request, name)), name, "is required")
    bound = f"must be 1 to {MAXIMUM_TEXTS} texts"
    _require(1 <= len(request.texts) <= MAXIMUM_TEXTS, "texts", bound)
    for index, text in enumerate(request.texts):
        _require(bool(text), f"texts[{index}]", "must not be empty")
        check_characters(len(text), context_tokens, f"texts[{index}]")
    _within("dimensions", request.dimensions, 1, most_dimensions)


def check_embedding_tokens(counts: Sequence[int], context_tokens: int) -> None:
    """Raise CONTEXT_LENGTH_EXCEEDED for a text that is too long, and for too much at once."""
    for index, count in enumerate(counts):
        if count > context_tokens:
            raise HeadraceError(
                Reason.CONTEXT_LENGTH_EXCEEDED,
                f"this model reads texts of at most {context_tokens} tokens; texts[{index}] has"
                f" {count}",
                param=f"texts[{index}]",
            )
    if sum(counts) > MAXIMUM_EMBEDDING_TOKENS:
        raise HeadraceError(
            Reason.CONTEXT_LENGTH_EXCEEDED,
            f"the texts have {sum(counts)} tokens; {MAXIMUM_EMBEDDING_TOKENS} may be sent at once",
            param="texts",
        )


def estimate_tokens(prompt: Prompt, tools: Iterable[Tool] = ()) -> int:
    """About how many tokens a prompt has, for engines that cannot tell before they answer."""
    return sum(len(text.encode()) for text in texts_of(prompt, tools)) // BYTES_PER_TOKEN + 1


def check_characters(characters: int, context_tokens: int, param: str = "prompt") -> None:
    """Raise CONTEXT_LENGTH_EXCEEDED for a prompt that would not fit however it is tokenized."""
    if characters > context_tokens * CHARACTERS_PER_TOKEN:
        raise HeadraceError(
            Reason.CONTEXT_LENGTH_EXCEEDED,
            f"the {param} has {characters} characters, more than this model's context can hold",
            param=param,
        )


def clip_max_tokens(wanted: int | None, prompt_tokens: int, context_tokens: int) -> int:
    """How many tokens to generate at most: what was wanted, as far as it fits beside the prompt.

    Raises CONTEXT_LENGTH_EXCEEDED if not even one token fits.
    """
    room = context_tokens - prompt_tokens
    if room < 1:
        raise HeadraceError(
            Reason.CONTEXT_LENGTH_EXCEEDED,
            f"this model's context is {context_tokens} tokens; the prompt has {prompt_tokens}"
            " and leaves no room for an answer",
            param="prompt",
        )
    return room if wanted is None else min(wanted, room)


def _check_format(form: ResponseFormat | None) -> None:
    match form:
        case JsonSchema(text):
            param = "response_format.json_schema"
        case Regex(text):
            param = "response_format.regex"
        case Grammar(text):
            param = "response_format.grammar"
        case _:
            return
    bound = f"must have 1 to {MAXIMUM_SCHEMA_CHARACTERS} characters"
    _require(1 <= len(text) <= MAXIMUM_SCHEMA_CHARACTERS, param, bound)


def _check_sampling(sampling: Sampling) -> None:
    _within("max_tokens", sampling.max_tokens, 1, None)
    _within("temperature", sampling.temperature, 0, 2)
    _within("top_p", sampling.top_p, 0, 1)
    _require(sampling.top_p > 0, "top_p", "must be above 0")
    _within("frequency_penalty", sampling.frequency_penalty, -2, 2)
    _within("presence_penalty", sampling.presence_penalty, -2, 2)
    _within("choices", sampling.choices, 1, MAXIMUM_CHOICES)
    _within("top_logprobs", sampling.top_logprobs, 0, MAXIMUM_TOP_LOGPROBS)
    _require(len(sampling.stop) <= MAXIMUM_STOPS, "stop", f"must be at most {MAXIMUM_STOPS} texts")
    for stop in sampling.stop:
        bound = f"must be texts of 1 to {MAXIMUM_STOP_CHARACTERS} characters"
        _require(1 <= len(stop) <= MAXIMUM_STOP_CHARACTERS, "stop", bound)
    bound = f"must have at most {MAXIMUM_LOGIT_BIASES} entries"
    _require(len(sampling.logit_bias) <= MAXIMUM_LOGIT_BIASES, "logit_bias", bound)
    for bias in sampling.logit_bias.values():
        _within("logit_bias", bias, -100, 100)


def _within(param: str, value: float | None, lowest: float, highest: float | None) -> None:
    if value is None:
        return
    bound = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"
    inside = value >= lowest and (highest is None or value <= highest)
    _require(math.isfinite(value) and inside, param, f"must be {bound}")


def _require(condition: bool, param: str, rule: str) -> None:
    if not condition:
        raise HeadraceError(Reason.INVALID_FIELD, f"{param} {rule}", param=param)
