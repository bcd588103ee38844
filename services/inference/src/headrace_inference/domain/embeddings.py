"""Vectors of texts, and the pieces in which a request for many is worked off."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace_inference.domain.models import ModelVersion


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What comes back: a vector per text, in their order, and what it took, in seconds."""

    model: ModelVersion
    vectors: Sequence[Sequence[float]]
    prompt_tokens: int
    queue_seconds: float
    """Until the first of its texts was let in."""
    engine_seconds: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Texts from `first` to before `last`, and how many tokens they have."""

    first: int
    last: int
    prompt_tokens: int


def pieces(counts: Sequence[int], most_tokens: int) -> Iterator[Piece]:
    """Texts, of so many tokens each, in pieces of at most so many together, or of one text."""
    first = total = 0
    for index, count in enumerate(counts):
        if index > first and total + count > most_tokens:
            yield Piece(first, index, total)
            first, total = index, 0
        total += count
    yield Piece(first, len(counts), total)


def shortened(vector: Sequence[float], dimensions: int) -> list[float]:
    """The first numbers of a vector, brought to length 1 again.

    Models that are not trained for it (Matryoshka representations, arXiv:2205.13147) lose more by
    this than others. A vector that begins with nothing but zeros stays so.
    """
    kept = vector[:dimensions]
    length = math.hypot(*kept) or 1.0
    return [value / length for value in kept]
