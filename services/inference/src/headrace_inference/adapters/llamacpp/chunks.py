"""llama.cpp's stream chunks as the engine's events."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.tools import ForcedCall, call_parts
from headrace_inference.domain.events import (
    UNTOLD_TOKENS,
    Accepted,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    TokenLogprob,
    ToolCallPart,
    Working,
)
from headrace_inference.domain.requests import Tool
from headrace_inference.domain.stopping import StopScanner


class ChunkTranslator:
    """Follows the chunks of one completion with `choices` choices.

    Each chunk has the shape of OpenAI's streamed text completion, or of its chat completion, plus
    `timings.predicted_n`, the choice's tokens so far, and `prompt_progress` during prefill: of its
    tokens `cache` were read before. Text is that of a call of one of `forced_tools`, if there are
    any.
    """

    def __init__(
        self,
        choices: int,
        stop: tuple[str, ...],
        top_logprobs: int | None,
        forced_tools: Sequence[Tool] = (),
    ) -> None:
        self._choices = [
            _Choice(index, stop, top_logprobs, ForcedCall(forced_tools) if forced_tools else None)
            for index in range(choices)
        ]
        self._accepted = False
        self.unread: int | None = None
        """Tokens of the prompt that are still to be read; None before it is told."""

    @property
    def finished(self) -> bool:
        """Every choice has ended, so the rest of the completion is of no use."""
        return all(choice.done for choice in self._choices)

    def feed(self, chunk: Mapping[str, Any]) -> list[EngineEvent]:
        """Events of one chunk.

        Raises HeadraceError (ENGINE_FAILED) if it carries an error, or ends a forced call that is
        none.
        """
        if "choices" not in chunk:
            kind = chunk.get("error", {}).get("type", "unknown")
            raise HeadraceError(Reason.ENGINE_FAILED, f"the engine failed: {kind}")
        events: list[EngineEvent] = []
        progress = chunk.get("prompt_progress")
        if not self._accepted:
            self._accepted = True
            events.append(Accepted(progress.get("cache", 0) if progress else 0))
        for part in chunk["choices"]:
            tokens = chunk.get("timings", {}).get("predicted_n")
            events += self._choices[part["index"]].feed(part, tokens)
        if progress:
            self.unread = progress["total"] - progress["processed"]
        if any(choice.begun for choice in self._choices):
            self.unread = 0
        return events or [Working()]


class _Choice:
    def __init__(
        self, index: int, stop: tuple[str, ...], top_logprobs: int | None, call: ForcedCall | None
    ) -> None:
        self._index = index
        self._scanner = StopScanner(stop)
        self._top_logprobs = top_logprobs
        self._call = call
        self._tokens = 0
        self._told_tokens = 0
        self._logprobs: list[TokenLogprob] = []
        self.begun = False
        self.done = False

    def feed(self, part: Mapping[str, Any], tokens: int | None) -> list[EngineEvent]:
        """`tokens` so far; None in some chunks of a chat."""
        if self.done:
            return []
        self._tokens = self._tokens if tokens is None else tokens
        self.begun = self.begun or self._tokens > 0
        if self._top_logprobs is not None:
            content = (part["logprobs"] or {}).get("content", ())
            self._logprobs += [_logprob(entry, self._top_logprobs) for entry in content]
        if self._call is not None:
            return self._tell("", self._call.feed(part["text"]), _ending_of_call(part, self._call))
        chat = part.get("delta", {})
        text, stopped = self._scanner.feed(part.get("text") or chat.get("content") or "")
        ended = _ending(part)
        if ended and not stopped:
            text += self._scanner.flush()
        calls = call_parts(chat.get("tool_calls", ()))
        return self._tell(text, calls, FinishReason.STOP if stopped else ended)

    def _tell(
        self, text: str, calls: tuple[ToolCallPart, ...], ended: FinishReason | None
    ) -> list[EngineEvent]:
        events: list[EngineEvent] = []
        untold = self._tokens - self._told_tokens
        if text or calls:
            events.append(Delta(self._index, text, untold, tuple(self._logprobs), calls))
            self._told_tokens = self._tokens
            self._logprobs.clear()
            self.begun = True
        elif untold >= UNTOLD_TOKENS:
            events.append(Delta(self._index, "", untold))  # log probabilities come with their text
            self._told_tokens = self._tokens
        if ended:
            self.begun = self.done = True
            events.append(ChoiceFinished(self._index, ended, self._tokens))
        return events


def _ending(part: Mapping[str, Any]) -> FinishReason | None:
    reason = part["finish_reason"]
    return None if reason is None else FinishReason(reason)


def _ending_of_call(part: Mapping[str, Any], call: ForcedCall) -> FinishReason | None:
    ended = _ending(part)
    if ended is not FinishReason.STOP:
        return ended
    if not call.is_complete:  # llama.cpp drops a grammar that outgrows its limits, and only logs it
        message = "the answer lost the form of its call: the tools are too complex for this engine"
        raise HeadraceError(Reason.ENGINE_FAILED, message)
    return FinishReason.TOOL_CALLS


def _logprob(entry: Mapping[str, Any], top: int) -> TokenLogprob:
    return TokenLogprob(
        token=entry["token"],
        token_bytes=bytes(entry["bytes"]),
        logprob=entry["logprob"],
        top=tuple(_logprob(other, 0) for other in entry.get("top_logprobs", ())[:top]),
    )
