"""The rules of a guard policy: what texts are looked through for, and what a match leads to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace_gateway.domain.detectors import Detector
from headrace_gateway.domain.patterns import Pattern, PatternSet, compile_pattern

Side = Literal["prompt", "output"]
Action = Literal["block", "mask", "flag"]
BOTH_SIDES: tuple[Side, ...] = ("prompt", "output")


@dataclass(frozen=True)
class Rule:
    """One detector with what to do when it is met; its id goes into the audit, the match never."""

    id: str
    action: Action
    detector: Detector
    sides: tuple[Side, ...] = BOTH_SIDES
    allow: tuple[str, ...] = ()
    """Patterns; a match that one of them matches from end to end is none."""
    pattern: Pattern = field(init=False, repr=False, compare=False)
    _allowed: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises PatternError."""
        detector = self.detector
        pattern = Pattern(
            detector.pattern,
            ignore_case=detector.ignore_case,
            awaits_next=detector.check is not None,
        )
        object.__setattr__(self, "pattern", pattern)
        flags = "(?i:" if detector.ignore_case else "(?:"
        allowed = compile_pattern(f"{flags}{'|'.join(self.allow)})") if self.allow else None
        object.__setattr__(self, "_allowed", allowed)

    @property
    def mask(self) -> str:
        """What stands in a text instead of a match."""
        return f"[{self.id}]"

    def real_end(self, text: str, start: int, end: int) -> int:
        """Where the match in a look-alike that begins at `start` ends; `start` if there is none."""
        if self.detector.check is not None:
            before = text[start - 1] if start else ""
            behind = text[end] if end < len(text) else ""
            end = start + self.detector.check(before, text[start:end], behind)
        if end > start and self._allowed and self._allowed.fullmatch(text, start, end):
            return start
        return end

    def description(self) -> str:
        """All that decides what it does."""
        detector = self.detector
        check = detector.check.__name__ if detector.check else ""
        parts = (self.id, self.action, self.sides, self.allow)
        return repr((*parts, detector.pattern, detector.ignore_case, check))


@dataclass(frozen=True, slots=True)
class LengthRule:
    """A bound on characters: of all texts of a prompt, of each text of an answer."""

    id: str
    action: Literal["block", "flag"]
    maximum_characters: int
    sides: tuple[Side, ...] = BOTH_SIDES


class RuleSet:
    """Rules that are looked for together; a match has at most `window` characters."""

    def __init__(self, rules: Iterable[Rule], window: int) -> None:
        self.rules = tuple(rules)
        self.window = window
        self.patterns = PatternSet([rule.pattern for rule in self.rules])
