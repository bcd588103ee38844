"""Which slots' attention is computed together; plain numbers, to be tried without torch."""

from collections.abc import Sequence
from dataclasses import dataclass

CALL_TOKENS = 256
"""A call costs about as much as attending to so many tokens (30 and 0.12 microseconds)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Slots `first` to `last`, both included, that attend over their first `length` positions."""

    first: int
    last: int
    length: int


def plan_spans(rows: Sequence[tuple[int, int]]) -> list[Span]:
    """Spans over (slot, length) in the order of slots.

    One call for neighbouring slots computes also what is not asked for: idle slots between them,
    and the shorter ones up to the longest. Slots are joined while that costs less than a call.
    """
    spans: list[Span] = []
    for row, length in rows:
        last = spans[-1] if spans else None
        if last is not None:
            joined = Span(last.first, row, max(last.length, length))
            if _cost(joined) <= _cost(last) + length + CALL_TOKENS:
                spans[-1] = joined
                continue
        spans.append(Span(row, row, length))
    return spans


def _cost(span: Span) -> int:
    return (span.last - span.first + 1) * span.length
