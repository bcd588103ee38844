"""Lets log probabilities of tokens leave with the text that they describe, and never without it."""

import codecs
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headrace_gateway.domain.completion import TokenLogprob
from headrace_gateway.domain.patterns import PatternSet


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A token's entry, and between which characters of the text its token is."""

    start: int
    end: int
    entry: TokenLogprob


class LogprobGate:
    """Knows of each token's entry which part of the text it gives away."""

    def __init__(self, patterns: PatternSet) -> None:
        """`patterns` tell which texts must not leave as a token's rival either."""
        self._patterns = patterns
        self._waiting: deque[_Waiting] = deque()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._said = 0
        self._described = 0

    def push(self, text: str, entries: Sequence[TokenLogprob]) -> None:
        """Take the choice's next text with the entries that came with it."""
        if not entries:
            self._said += len(text)
            return
        began, described = self._said, self._described
        self._said += len(text)
        placed = [self._place(entry) for entry in entries]
        if (began, self._said) != (described, self._described):
            # Tokens and text do not go together: each may be anywhere in what came together.
            first, last = min(began, described), max(self._said, self._described)
            placed = [_Waiting(first, last, each.entry) for each in placed]
        self._waiting.extend(placed)

    def release(
        self, passed: int, masked: list[tuple[int, int]], *, ended: bool
    ) -> tuple[TokenLogprob, ...]:
        """The entries of text that has left; `ended` when all that there is has."""
        released = []
        while self._waiting and (ended or self._waiting[0].end <= passed):
            one = self._waiting.popleft()
            if not any(start < one.end and one.start < end for start, end in masked):
                released.append(self._without_rivals(one.entry))
        return tuple(released)

    def _place(self, entry: TokenLogprob) -> _Waiting:
        start = self._described
        self._described += len(self._decoder.decode(entry.token_bytes))
        half, _ = self._decoder.getstate()  # of a character that the next token completes
        return _Waiting(start, self._described + bool(half), entry)

    def _without_rivals(self, entry: TokenLogprob) -> TokenLogprob:
        if not self._patterns.matches("\n".join(rival.token for rival in entry.top)):
            return entry
        clean = tuple(each for each in entry.top if not self._patterns.matches(each.token))
        return replace(entry, top=clean)
