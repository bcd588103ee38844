"""Patterns whose every beginning is known, so that streams can be screened without guessing.

From a pattern in RE2's syntax come two expressions: one finds whole matches, the other finds, at
the end of a text, what more text may still turn into a match or into a longer one. Both run on RE2,
whose time is linear in the text, so no input can hang a worker.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import re2

MAXIMUM_DEPTH = 50
"""Of groups within groups."""

NEVER = r"[^\x00-\x{10FFFF}]"
"""The expression that no text matches."""

TOKEN = re.compile(
    r"(?P<set>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])"
    r"|(?P<escape>\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[pP]\{\^?\w+\}|[pP]\w|[0-7]{1,3}|.))"
    r"|(?P<open>\((?:\?P?<\w+>|\?[imsU-]*:|(?!\?)))"
    r"|(?P<repeat>(?:[*+?]|\{\d+(?:,\d*)?\})\??)"
    r"|(?P<other>.)",
    re.DOTALL,
)
EDGES = frozenset({"^", "$", "\\A", "\\z"})
BYTES_AND_QUOTES = frozenset({"\\C", "\\Q", "\\E"})


class PatternError(ValueError):
    """Says why a pattern cannot be used."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: what matches it, and what may be continued to a match of it."""

    whole: str
    beginning: str | None
    """None if nothing may: it matches only the empty text."""


class Pattern:
    """One pattern; of all matches that begin at the same place it finds the longest."""

    def __init__(
        self, source: str, *, ignore_case: bool = False, awaits_next: bool = False
    ) -> None:
        """`awaits_next`: whether something is a match depends on the character behind it, too.

        Raises PatternError.
        """
        compile_pattern(source)
        part = _Parser(source).parse()
        if awaits_next:
            part = _in_a_row([part, _Part("", "")])
        flags = "(?i:" if ignore_case else "(?:"
        self.whole = f"{flags}{part.whole})"
        self.beginning = NEVER if part.beginning is None else f"{flags}{part.beginning})"
        self._whole = compile_pattern(self.whole)
        self._beginning = compile_pattern(self.beginning)
        empty = (self._whole.search(text) for text in ("", " ", "a"))
        if any(found is not None and found.start() == found.end() for found in empty):
            raise PatternError("matches the empty text")

    def search(self, text: str, start: int = 0) -> tuple[int, int] | None:
        """Where the first match at or after `start` begins and ends."""
        found = self._whole.search(text, start)
        return found.span() if found else None

    def match(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """Where the longest match that begins at `start` ends, if that is not behind `end`."""
        found = self._whole.match(text, start, end)
        return found.span() if found else None

    def grows(self, text: str, start: int, end: int) -> bool:
        """Whether the text between may be continued to a match."""
        return self._beginning.fullmatch(text, start, end) is not None


class PatternSet:
    """Several patterns as one, so that text in which none of them is costs one pass, not many."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        whole = "|".join(pattern.whole for pattern in patterns) or NEVER
        beginning = "|".join(pattern.beginning for pattern in patterns) or NEVER
        self._whole = compile_pattern(whole)
        self._beginning = compile_pattern(f"(?:{beginning})\\z")
        self._either = compile_pattern(f"{whole}|(?:{beginning})\\z")
        self._numbers = range(len(patterns))
        self._each = _compile_set(patterns)

    def matches(self, text: str) -> bool:
        return self._whole.search(text) is not None

    def which(self, text: str) -> Sequence[int]:
        """The numbers of those that may match; others do not."""
        # RE2 says "none" also when it runs out of memory for states, which must not pass as clean.
        return sorted(self._each.Match(text) or self._numbers)

    def is_clean(self, text: str, start: int = 0) -> bool:
        """Whether neither a match nor the beginning of one is in the text from `start` on."""
        found = self._either.search(text, start)
        return found is None or found.start() == len(text)

    def undecided_from(self, text: str, start: int = 0) -> int:
        """Where the earliest possible beginning of a match starts; `len(text)` if nowhere."""
        found = self._beginning.search(text, start)
        return found.start() if found else len(text)


def compile_pattern(expression: str) -> Any:
    """Compile it with RE2; raises PatternError."""
    try:
        return re2.compile(expression, _options())
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        told = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise PatternError(f"is no regular expression of RE2: {told}") from error


def _options() -> Any:
    options = re2.Options()
    options.longest_match = True
    options.never_capture = True
    options.log_errors = False
    return options


def _compile_set(patterns: Sequence[Pattern]) -> Any:
    together = re2.Set.SearchSet(_options())
    for pattern in patterns:
        together.Add(pattern.whole)
    try:
        together.Compile()
    except re2.error as error:
        raise PatternError("is too much for one set of RE2's") from error
    return together


class _Parser:
    """Reads a pattern that RE2 has accepted; sets and escapes are taken over as they stand."""

    def __init__(self, source: str) -> None:
        self._tokens = [(found.lastgroup, found[0]) for found in TOKEN.finditer(source)]
        self._at = 0
        self._depth = 0

    def parse(self) -> _Part:
        return self._alternatives()

    def _alternatives(self) -> _Part:
        branches = [self._row()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._row())
        if len(branches) == 1:
            return branches[0]
        whole = "|".join(branch.whole for branch in branches)
        return _Part(f"(?:{whole})", _either(branch.beginning for branch in branches))

    def _row(self) -> _Part:
        parts = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated())
        return _in_a_row(parts)

    def _repeated(self) -> _Part:
        part = self._atom()
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "repeat":
            part = _repeat(part, self._tokens[self._at][1])
            self._at += 1
        return part

    def _atom(self) -> _Part:
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "open":
            flags = text if text.endswith(":") else "(?:"
            self._depth += 1
            if self._depth > MAXIMUM_DEPTH:
                raise PatternError(f"has groups within groups more than {MAXIMUM_DEPTH} deep")
            inner = self._alternatives()
            self._depth -= 1
            self._at += 1  # the closing parenthesis
            beginning = inner.beginning
            return _Part(
                f"{flags}{inner.whole})", None if beginning is None else f"{flags}{beginning})"
            )
        if text in EDGES:
            raise PatternError(
                f"`{text}` is not allowed: a stream's parts have no edges to look at"
            )
        if text in BYTES_AND_QUOTES:
            raise PatternError(f"`{text}` is not allowed")
        if text == "(":
            raise PatternError("flags are for a group, as in `(?i:...)`, or use `ignore_case`")
        # Of \b and \B, too: whether they hold at the end of a text only its continuation tells.
        return _Part(text, "")

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""


def _in_a_row(parts: Sequence[_Part]) -> _Part:
    """What is begun ends within the first part, or has the first part and is begun behind it."""
    row = _Part("", None)
    for part in reversed(parts):
        behind = None if row.beginning is None else part.whole + row.beginning
        row = _Part(part.whole + row.whole, _either((part.beginning, behind)))
    return row


def _repeat(part: _Part, operator: str) -> _Part:
    """All repeats before the one in which it ends may be whole ones."""
    operator = operator[:-1] if len(operator) > 1 and operator.endswith("?") else operator
    most = _most(operator)
    beginning = part.beginning
    if most is None and beginning is not None:
        beginning = f"{part.whole}*{beginning}"
    elif most == 0:
        beginning = None
    elif most is not None and most > 1 and beginning is not None:
        beginning = f"{part.whole}{{0,{most - 1}}}{beginning}"
    return _Part(part.whole + operator, beginning)


def _most(operator: str) -> int | None:
    """How often at most; None without a bound."""
    if operator == "?":
        return 1
    if operator in {"*", "+"} or operator.endswith(",}"):
        return None
    return int(operator.strip("{}").split(",")[-1])


def _either(expressions: Iterable[str | None]) -> str | None:
    known = [each for each in dict.fromkeys(expressions) if each is not None]
    if len(known) < 2:
        return known[0] if known else None
    return f"(?:{'|'.join(known)})"
