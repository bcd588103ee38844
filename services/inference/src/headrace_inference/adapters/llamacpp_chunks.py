"""llama.cpp's stream chunks as the engine's events."""

from collections.abc import Mapping
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.events import (
    Accepted,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    TokenLogprob,
    Working,
)
from headrace_inference.domain.stopping import StopScanner


class ChunkTranslator:
    """Follows the chunks of one completion with `choices` choices.

    Each chunk has the shape of OpenAI's streamed text completion, plus `timings.predicted_n`, the
    choice's tokens so far, and `prompt_progress` during prefill.
    """

    def __init__(self, choices: int, stop: tuple[str, ...], top_logprobs: int | None) -> None:
        self._choices = [_Choice(index, stop, top_logprobs) for index in range(choices)]
        self._accepted = False

    @property
    def finished(self) -> bool:
        """Every choice has ended, so the rest of the completion is of no use."""
        return all(choice.done for choice in self._choices)

    def feed(self, chunk: Mapping[str, Any]) -> list[EngineEvent]:
        """Events of one chunk; raises HeadraceError (ENGINE_FAILED) if it carries an error."""
        if "choices" not in chunk:
            kind = chunk.get("error", {}).get("type", "unknown")
            raise HeadraceError(Reason.ENGINE_FAILED, f"the engine failed: {kind}")
        events: list[EngineEvent] = []
        if not self._accepted:
            self._accepted = True
            events.append(Accepted())
        for part in chunk["choices"]:
            events += self._choices[part["index"]].feed(part, chunk["timings"]["predicted_n"])
        return events or [Working()]


class _Choice:
    def __init__(self, index: int, stop: tuple[str, ...], top_logprobs: int | None) -> None:
        self._index = index
        self._scanner = StopScanner(stop)
        self._top_logprobs = top_logprobs
        self._told_tokens = 0
        self._logprobs: list[TokenLogprob] = []
        self.done = False

    def feed(self, part: Mapping[str, Any], tokens: int) -> list[EngineEvent]:
        if self.done:
            return []
        if self._top_logprobs is not None:
            content = (part["logprobs"] or {}).get("content", ())
            self._logprobs += [_logprob(entry, self._top_logprobs) for entry in content]
        text, stopped = self._scanner.feed(part["text"])
        ended = part["finish_reason"]
        if ended and not stopped:
            text += self._scanner.flush()
        events: list[EngineEvent] = []
        if text:
            events.append(
                Delta(self._index, text, tokens - self._told_tokens, tuple(self._logprobs))
            )
            self._told_tokens = tokens
            self._logprobs.clear()
        if ended or stopped:
            self.done = True
            cut = ended == "length" and not stopped
            reason = FinishReason.LENGTH if cut else FinishReason.STOP
            events.append(ChoiceFinished(self._index, reason, tokens))
        return events


def _logprob(entry: Mapping[str, Any], top: int) -> TokenLogprob:
    return TokenLogprob(
        token=entry["token"],
        token_bytes=bytes(entry["bytes"]),
        logprob=entry["logprob"],
        top=tuple(_logprob(other, 0) for other in entry.get("top_logprobs", ())[:top]),
    )
