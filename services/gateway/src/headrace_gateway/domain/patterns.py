"""Patterns whose every beginning is known, so that a stream can be screened without guessing.

A pattern is a row of pieces. From the same row come the regular expression that finds a whole match
and the one that finds, at the end of a text, what may still become a match. Both run on RE2, whose
time is linear in the text, so no input can hang a worker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import re2


@dataclass(frozen=True, slots=True)
class Text:
    """Exactly these characters."""

    characters: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """Between `least` and `most` characters of one class, for example `[0-9A-Z]`."""

    character_class: str
    least: int
    most: int


Piece = Text | Repeat

NEVER = r"[^\x00-\x{10FFFF}]"
"""The expression that no text matches."""


class StreamPattern:
    """Finds whole matches; `whole` and `beginning` are its two expressions."""

    def __init__(self, pieces: Sequence[Piece], *, ignore_case: bool = False) -> None:
        flags = "si" if ignore_case else "s"
        self.whole = f"(?{flags}:{''.join(_whole(piece) for piece in pieces)})"
        self.beginning = f"(?{flags}:{_beginning(pieces)}\\z)"
        self._whole = re2.compile(self.whole)

    def matches(self, text: str) -> bool:
        return self._whole.search(text) is not None


class PatternSet:
    """Several patterns as one, so that text in which none of them is costs one pass, not many."""

    def __init__(self, patterns: Sequence[StreamPattern]) -> None:
        self._whole = re2.compile("|".join(pattern.whole for pattern in patterns) or NEVER)
        self._beginning = re2.compile("|".join(pattern.beginning for pattern in patterns) or NEVER)

    def matches(self, text: str) -> bool:
        return self._whole.search(text) is not None

    def undecided_from(self, text: str) -> int:
        """Where the earliest possible beginning of a match starts; `len(text)` if nowhere."""
        found = self._beginning.search(text)
        return found.start() if found else len(text)


def _whole(piece: Piece) -> str:
    if isinstance(piece, Text):
        return str(re2.escape(piece.characters))
    return f"{piece.character_class}{{{piece.least},{piece.most}}}"


def _beginning(pieces: Sequence[Piece]) -> str:
    """Every prefix of a match: each piece is followed by more, or the text ends within it."""
    expression = ""
    for piece in reversed(pieces):
        if isinstance(piece, Text):
            for character in reversed(piece.characters):
                expression = f"(?:{re2.escape(character)}{expression})?"
        else:
            within = f"{piece.character_class}{{0,{piece.most}}}"
            expression = f"(?:{_whole(piece)}{expression}|{within})"
    return expression
