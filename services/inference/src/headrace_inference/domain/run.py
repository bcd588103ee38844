"""The record of one request while it is answered: when what happened, and how many tokens."""

from enum import StrEnum

from headrace_common.clock import Clock
from headrace_inference.domain.events import (
    Accepted,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    PromptCounted,
    Timings,
)


class Stage(StrEnum):
    """How far a text has come: nothing is done for it yet, its prompt is read, it is written."""

    QUEUE = "queue"
    PREFILL = "prefill"
    DECODE = "decode"


class Run:
    """Times are the clock's monotonic seconds; None for what has not happened (yet)."""

    def __init__(self, clock: Clock, choices: int) -> None:
        self._clock = clock
        self._choices = choices
        self._reasons: dict[int, FinishReason] = {}
        self._tokens: dict[int, int] = {}
        self.arrived = clock.monotonic()
        self.left_queue: float | None = None
        self.first_token: float | None = None
        self._last_token: float | None = None
        self.prompt_tokens = 0
        self.cached_tokens = 0

    def leave_queue(self) -> float:
        """Note that the engine has begun; returns the seconds in the queue."""
        self.left_queue = self._clock.monotonic()
        return self.left_queue - self.arrived

    def note(self, event: EngineEvent) -> int:
        """Count an engine's event; returns how many tokens more it tells of."""
        before = self.completion_tokens
        if isinstance(event, Delta):
            self._tokens[event.choice] = self._tokens.get(event.choice, 0) + event.tokens
        elif isinstance(event, ChoiceFinished):
            self._tokens[event.choice] = event.tokens
            self._reasons[event.choice] = event.reason
        elif isinstance(event, PromptCounted):
            self.prompt_tokens = event.tokens
            return 0
        elif isinstance(event, Accepted):
            self.cached_tokens = event.cached_tokens
            return 0
        else:
            return 0
        if self.completion_tokens:
            self._last_token = self._clock.monotonic()
            self.first_token = self.first_token or self._last_token
        return self.completion_tokens - before

    @property
    def completion_tokens(self) -> int:
        return sum(self._tokens.values())

    @property
    def complete(self) -> bool:
        """Whether all choices have ended; embeddings, which have none, are never incomplete."""
        return len(self._reasons) == self._choices

    @property
    def stage(self) -> Stage:
        """Where it is now, or was when it ended."""
        if self.left_queue is None:
            return Stage.QUEUE
        return Stage.PREFILL if self.first_token is None else Stage.DECODE

    @property
    def reasons(self) -> tuple[FinishReason, ...]:
        """Per choice, in order; only for a complete run."""
        return tuple(self._reasons[choice] for choice in range(self._choices))

    @property
    def finish_reason(self) -> str | None:
        """One word for all choices: `length` if any was cut, None while incomplete or for none."""
        if not self._reasons or not self.complete:
            return None
        return max(self._reasons.values(), key=lambda reason: reason is FinishReason.LENGTH)

    def timings(self) -> Timings:
        """Seconds that the parts took, 0 for those that did not happen."""
        left = self.left_queue if self.left_queue is not None else self._clock.monotonic()
        first = self.first_token if self.first_token is not None else left
        last = self._last_token if self._last_token is not None else first
        return Timings(queue=left - self.arrived, first_token=first - left, decode=last - first)

    def total_seconds(self) -> float:
        return self._clock.monotonic() - self.arrived

    def seconds_to_first_token(self) -> float | None:
        """From arrival; None while there is none."""
        return None if self.first_token is None else self.first_token - self.arrived

    def seconds_per_token(self) -> float | None:
        """Mean seconds between tokens of a choice; None if no choice has two."""
        gaps = max(self._tokens.values(), default=0) - 1
        return self.timings().decode / gaps if gaps > 0 else None
