"""A remote's stream chunks as the engine's events."""

import json
import re
from collections.abc import Mapping
from typing import Any

from headrace_inference.adapters.openai_remote.errors import failed
from headrace_inference.adapters.openai_remote.logprobs import token_logprobs
from headrace_inference.domain.events import (
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    PromptCounted,
    TokenLogprob,
    ToolCallPart,
    Working,
)
from headrace_inference.domain.requests import Sampling
from headrace_inference.domain.rules import BYTES_PER_TOKEN
from headrace_inference.domain.stopping import StopScanner
from headrace_inference.domain.tool_rules import MAXIMUM_CALLS

REASONS = {
    "stop": FinishReason.STOP,
    "eos_token": FinishReason.STOP,  # TGI's
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}
MOST_BYTES_OF_A_TOKEN = 16
"""Longer words are rarely one, so what is longer than this is taken for several."""
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What reading hostile JSON raises."""


class ChunkTranslator:
    """Follows the chunks of one answer, of chat or of text completion.

    Tokens are counted by what a chunk itself tells of its choice, else one per chunk with
    something in it, or more if that is plainly more than one; at the end the request's usage, which
    knows, is shared out. Where none comes, as from servers that tell none and in answers that are
    broken off, the estimate stays.
    """

    def __init__(self, sampling: Sampling, max_tokens: int) -> None:
        self._choices = [_Choice(index, sampling) for index in range(sampling.choices)]
        self._max_tokens = max_tokens
        self._prompt_tokens = 0
        self._used = 0

    @property
    def stopped(self) -> bool:
        """Every choice met a stop text, so that the rest of the answer is of no use."""
        return all(choice.stopped for choice in self._choices)

    def feed(self, data: str) -> list[EngineEvent]:
        """Events of one chunk; raises ENGINE_FAILED for an error in its place, or nonsense."""
        try:
            chunk = json.loads(data)
            if "error" in chunk:
                raise failed(f"failed in the middle of the answer{_kind(chunk['error'])}")
            parts = chunk.get("choices") or ()
            events = [event for part in parts for event in self._feed(part, chunk)]
            self._note_usage(chunk, bool(parts))
        except MALFORMED as error:
            raise failed("sends nonsense") from error
        return events or [Working()]

    def end(self) -> list[EngineEvent]:
        """The last events; raises ENGINE_FAILED if the answer is not complete."""
        events: list[EngineEvent] = []
        if self._prompt_tokens:
            events.append(PromptCounted(self._prompt_tokens))
        self._share_out()
        events += [choice.end() for choice in self._choices]
        return events

    def _share_out(self) -> None:
        """The usage among the choices; to those that met a stop text only what is left, since
        the remote may have gone on with them. Without a usage only the bound is kept."""
        told = sum(choice.tokens for choice in self._choices)
        uncounted = self._used - told if self._used else 0
        for choice in sorted(self._choices, key=lambda each: each.stopped):
            more = min(uncounted, self._max_tokens - choice.tokens)
            uncounted -= choice.correct(more)

    def _feed(self, part: Mapping[str, Any], chunk: Mapping[str, Any]) -> list[EngineEvent]:
        told = (chunk.get("timings") or {}).get("predicted_n")  # llama.cpp's
        if told is None:
            told = (chunk.get("usage") or {}).get("completion_tokens")
        return self._choices[_index(part)].feed(part, told)

    def _note_usage(self, chunk: Mapping[str, Any], has_choices: bool) -> None:
        usage = chunk.get("usage")
        if usage is None:
            return
        self._prompt_tokens = max(self._prompt_tokens, int(usage["prompt_tokens"]))
        if has_choices:
            return
        tokens = int(usage["completion_tokens"])
        # llama.cpp tells the usage of each choice by itself, all others that of the request
        self._used = self._used + tokens if "timings" in chunk else tokens


class _Choice:
    def __init__(self, index: int, sampling: Sampling) -> None:
        self._index = index
        self._scanner = StopScanner(sampling.stop)
        self._top_logprobs = sampling.top_logprobs
        self._logprobs: list[TokenLogprob] = []
        self._told = 0
        self._guessed = 0
        self.tokens = 0
        self.stopped = False
        self.reason: FinishReason | None = None

    def feed(self, part: Mapping[str, Any], tokens: int | None) -> list[EngineEvent]:
        if self.stopped:
            return []
        piece = part.get("delta") or part
        text = _text(piece.get("content") or piece.get("text"))
        calls = tuple(_call(call) for call in piece.get("tool_calls") or ())
        logprobs = token_logprobs(part.get("logprobs"), self._top_logprobs)
        self._logprobs += logprobs
        if tokens is not None:
            self.tokens = max(self.tokens, int(tokens))
        elif logprobs:
            self.tokens += len(logprobs)
        else:
            self._guess(text + _thought(piece), calls)
        out, self.stopped = self._scanner.feed(text)
        ended = part.get("finish_reason")
        if ended and not self.stopped:
            out += self._scanner.flush()
        if self.stopped:
            self.reason = FinishReason.STOP
        elif ended:
            self.reason = _reason(ended)
        return self._delta(out, calls)

    def end(self) -> ChoiceFinished:
        if self.reason is None:
            raise failed("broke off")
        return ChoiceFinished(self._index, self.reason, self.tokens)

    def correct(self, more: int) -> int:
        """Count so many tokens more, or less, but less than was guessed only; returns how many."""
        more = max(more, -self._guessed)
        self.tokens += more
        return more

    def _guess(self, text: str, calls: tuple[ToolCallPart, ...]) -> None:
        if not text and not calls:
            return
        size = len((text + "".join(call.name + call.arguments for call in calls)).encode())
        more = size // BYTES_PER_TOKEN - 1 if size > MOST_BYTES_OF_A_TOKEN else 0
        self._guessed += more
        self.tokens += 1 + more

    def _delta(self, text: str, calls: tuple[ToolCallPart, ...]) -> list[EngineEvent]:
        """Log probabilities wait for the text that they belong to."""
        over = self.reason is not None and not self.stopped
        if not (text or calls or (over and self._logprobs)):
            return []
        delta = Delta(self._index, text, self.tokens - self._told, tuple(self._logprobs), calls)
        self._told = self.tokens
        self._logprobs.clear()
        return [delta]


def _index(part: Mapping[str, Any]) -> int:
    index = int(part["index"])
    if index < 0:
        raise ValueError(index)
    return index


def _thought(piece: Mapping[str, Any]) -> str:
    """Reasoning that a server keeps apart: it costs tokens, and is no part of the answer."""
    return _text(piece.get("reasoning_content") or piece.get("reasoning"))


def _text(value: Any) -> str:
    if value is None:
        return ""
    value.encode()  # half a surrogate pair would be no text
    return str(value)


def _call(call: Mapping[str, Any]) -> ToolCallPart:
    function = call.get("function") or {}
    index = _index(call)
    if index >= MAXIMUM_CALLS:
        raise ValueError(index)
    return ToolCallPart(
        index=index,
        arguments=_text(function.get("arguments")),
        id=_text(call.get("id")),
        name=_text(function.get("name")),
    )


def _reason(value: str) -> FinishReason:
    if value not in REASONS:
        raise failed(f"ended the answer for an unknown reason{_kind(value)}")
    return REASONS[value]


def _kind(error: Any) -> str:
    """Its type, if that is one word: nothing that could quote a prompt."""
    kind = error.get("type") if isinstance(error, dict) else error
    return f" ({kind})" if isinstance(kind, str) and re.fullmatch(r"\w{1,40}", kind) else ""
