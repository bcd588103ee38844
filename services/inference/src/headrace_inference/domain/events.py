"""What comes back: the engine's events, and the answer's messages that are made of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from headrace_inference.domain.models import ModelVersion


class FinishReason(StrEnum):
    """Why a choice ended: by the model or a stop text, for want of room, or to call tools."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, its bytes, the natural logarithm of its probability, and the likeliest instead."""

    token: str
    token_bytes: bytes
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A piece of a choice's call number `index`; id and name are in the first one only."""

    index: int
    arguments: str
    id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The engine has begun; nothing is refused any more. Always its first event.

    `cached_tokens` of the prompt it had read before, for a prompt that began alike.
    """

    cached_tokens: int = 0


UNTOLD_TOKENS = 16
"""An engine tells of so many tokens at the latest, shown or not, so that all are accounted for."""


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of one choice, whole characters or none, and how many tokens it stands for."""

    choice: int
    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[ToolCallPart, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoiceFinished:
    """One choice has ended after `tokens` tokens, those of a stop text or end mark included."""

    choice: int
    reason: FinishReason
    tokens: int


@dataclass(frozen=True, slots=True)
class Working:
    """The engine has done something for the request that tells no tokens yet, such as reading."""


@dataclass(frozen=True, slots=True)
class PromptCounted:
    """How many tokens the prompt had, from an engine that cannot tell it before."""

    tokens: int


EngineEvent = Accepted | Working | Delta | ChoiceFinished | PromptCounted


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds in the queue, from there to the first token, and from the first token to the last."""

    queue: float = 0.0
    first_token: float = 0.0
    decode: float = 0.0


@dataclass(frozen=True, slots=True)
class Started:
    """The request has left the queue; the first message of an answer."""

    model: ModelVersion
    queue_seconds: float
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class AnswerSignature:
    """Who said what to whom, signed, and the certificate of the key; each a compact JWS."""

    statement: str
    certificate: str


@dataclass(frozen=True, slots=True)
class Finished:
    """How an answer ended and what it took; its last message. One reason per choice."""

    model: ModelVersion
    reasons: tuple[FinishReason, ...]
    prompt_tokens: int
    completion_tokens: int
    timings: Timings
    signature: AnswerSignature | None = None


Answer = Started | Delta | Finished


def merge_deltas(events: Iterable[EngineEvent]) -> list[EngineEvent]:
    """The same events with neighbouring deltas of one choice joined."""
    merged: list[EngineEvent] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Delta) and isinstance(last, Delta) and event.choice == last.choice:
            merged[-1] = replace(
                last,
                text=last.text + event.text,
                tokens=last.tokens + event.tokens,
                logprobs=last.logprobs + event.logprobs,
                tool_calls=last.tool_calls + event.tool_calls,
            )
        else:
            merged.append(event)
    return merged
