"""Screens one text as it comes: what may leave now, and what must wait, is masked, or ends it."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from headrace_gateway.domain.rules import Action, Rule, RuleSet

PIECE_CHARACTERS = 2048
"""Longer texts are screened in pieces, which makes no difference but to the time it takes."""
MAXIMUM_LOOKALIKES = 4096
"""In one text, that a rule's check finds false; after that a look-alike counts as a match."""


GLANCES = 8
"""Look-alikes of one rule that are checked before a long text is taken apart into pieces."""


class Span(NamedTuple):
    """A match, or where one begins that is still growing at the end of the window."""

    start: int
    end: int
    rule: Rule
    action: Action


class Screen:
    """Holds back only the end of the text that may become a match, at most the window.

    What it releases depends on the text alone, not on how it was cut: about each place of the text
    it is decided whether a match begins there once no further text can change that, and the matches
    are dealt with in the order in which they begin. Overlapping ones are masked as one.
    """

    def __init__(self, rules: RuleSet, among: tuple[Rule, ...] | None = None) -> None:
        """`among` are those of the rules that can be in the text at all, if that is known."""
        self._rules = rules
        self._among = rules.rules if among is None else among
        self._buffer = ""
        """What is undecided, and before it one character for patterns that look at it."""
        self._offset = 0
        """Where in the whole text the buffer begins."""
        self._start = 0
        """Where in the buffer it begins to be undecided whether matches begin."""
        self._left = 0
        """Up to where the buffer has been released or masked."""
        self._next: dict[str, int] = {}
        """Up to where in the whole text the last match of each rule goes."""
        self._lookalikes: Counter[str] = Counter()
        self.blocked = False
        self.decisions: list[str] = []
        """Rule and action, each once."""
        self.masked: list[tuple[int, int]] = []
        """Which parts of the whole text were masked."""

    @property
    def passed(self) -> int:
        """How many characters of the text have been released or masked."""
        return self._offset + self._left

    def push(self, text: str) -> str:
        """What may leave now; once `blocked`, nothing more does."""
        if len(text) <= PIECE_CHARACTERS:
            return self._take(text)
        starts = range(0, len(text), PIECE_CHARACTERS)
        return "".join(self._take(text[at : at + PIECE_CHARACTERS]) for at in starts)

    def flush(self) -> str:
        """What was held back, once no more text can come."""
        if self.blocked or self._start == len(self._buffer):
            return ""
        return self._decide(len(self._buffer))

    def _take(self, text: str) -> str:
        if self.blocked:
            return ""
        self._buffer += text
        length = len(self._buffer)
        patterns = self._rules.patterns
        if patterns.is_clean(self._buffer, self._start):
            released = self._buffer[self._left :]
            self._keep_from(length, length)
            return released
        possible = max(self._start, length - self._rules.window)
        return self._decide(patterns.undecided_from(self._buffer, possible))

    def _decide(self, undecided: int) -> str:
        """Deal with all matches that begin before `undecided`."""
        released: list[str] = []
        left = self._left
        order = sorted(self._find(undecided), key=_precedence)
        for span in order:
            decision = f"{span.rule.id}:{span.action}"
            if decision not in self.decisions:
                self.decisions.append(decision)
            if span.action == "block":
                released.append(self._buffer[left : max(left, span.start)])
                self.blocked = True
                return "".join(released)
            if span.action == "mask":
                if span.start >= left:
                    released += (self._buffer[left : span.start], span.rule.mask)
                left = max(left, span.end)
                self.masked.append((self._offset + span.start, self._offset + span.end))
        if undecided > left:
            released.append(self._buffer[left:undecided])
            left = undecided
        self._keep_from(undecided, left)
        return "".join(released)

    def _find(self, stop: int) -> Iterator[Span]:
        """The matches of each rule that begin before `stop`, none of them within another."""
        for rule in self._among:
            at = max(self._start, self._next.get(rule.id, 0) - self._offset)
            while at < stop:
                found = rule.pattern.search(self._buffer, at)
                if found is None or found[0] >= stop:
                    break
                span = self._judge(rule, *found)
                if span is None:
                    at = found[0] + 1
                    continue
                yield span
                at = sys.maxsize if span.action == "flag" else span.end  # one flag is enough
                self._next[rule.id] = self._offset + at

    def _judge(self, rule: Rule, start: int, end: int) -> Span | None:
        """What the longest match that begins at `start` is, if it is one within the window."""
        bound = start + self._rules.window
        if end > bound:
            found = rule.pattern.match(self._buffer, start, bound)
            if found is None:
                return None
            end = found[1]
        if end <= start:
            return None
        if self._lookalikes[rule.id] < MAXIMUM_LOOKALIKES:
            real = rule.real_end(self._buffer, start, end)
            if real <= start:
                self._lookalikes[rule.id] += 1
                return None
            end = real
        action = rule.action
        grows = len(self._buffer) > bound and rule.pattern.grows(self._buffer, start, bound)
        if grows and action == "mask":
            action = "block"  # nobody knows where it ends
        return Span(start, end, rule, action)

    def _keep_from(self, undecided: int, left: int) -> None:
        kept = max(0, undecided - 1)
        self._buffer = self._buffer[kept:]
        self._offset += kept
        self._start = undecided - kept
        self._left = left - kept


class Screened(NamedTuple):
    """A text that was complete, and what was decided about it."""

    text: str
    decisions: list[str]
    blocked: bool
    masked: bool


def screen_whole(rules: RuleSet, text: str) -> Screened | None:
    """Screen a text that is complete; None if it meets no rule."""
    if not rules.patterns.matches(text):
        return None
    decisions: list[str] = []
    among: list[Rule] = []
    for number in rules.patterns.which(text):
        rule = rules.rules[number]
        met = _is_met(rule, text, rules.window)
        if met and rule.action == "flag":
            decisions.append(f"{rule.id}:flag")
        elif met is not False:
            among.append(rule)
    if not among:
        return Screened(text, decisions, blocked=False, masked=False)
    screen = Screen(rules, tuple(among))
    screened = screen.push(text) + screen.flush()
    decisions += screen.decisions
    return Screened(screened, decisions, screen.blocked, bool(screen.masked))


def _is_met(rule: Rule, text: str, window: int) -> bool | None:
    """Whether a text meets a rule at all; None if that is not to be seen at a glance."""
    at = 0
    for _ in range(GLANCES):
        found = rule.pattern.search(text, at)
        if found is None:
            return False
        start, end = found
        if end - start > window:
            return None
        if rule.real_end(text, start, end) > start:
            return True
        at = start + 1
    return None


def _precedence(span: Span) -> tuple[int, bool, int]:
    """By where they begin; of those that begin at one place a block first, then the longest."""
    return span.start, span.action != "block", -span.end
