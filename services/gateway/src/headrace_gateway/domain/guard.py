"""What prompts and answers are checked for, and what happens on a match."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.patterns import PatternSet, Piece, Repeat, StreamPattern, Text

Side = Literal["prompt", "output"]
Action = Literal["block", "flag"]


@dataclass(frozen=True)
class Rule:
    """One pattern with what to do when it is met; its id goes into the audit, the match never."""

    id: str
    action: Action
    sides: tuple[Side, ...]
    pieces: tuple[Piece, ...]
    ignore_case: bool = False
    pattern: StreamPattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern = StreamPattern(self.pieces, ignore_case=self.ignore_case)
        object.__setattr__(self, "pattern", pattern)


def built_in_rules() -> tuple[Rule, ...]:
    """The first small set: secrets that must neither come in nor go out, and one injection."""
    both: tuple[Side, ...] = ("prompt", "output")
    return (
        Rule(
            "private-key",
            "block",
            both,
            (Text("-----BEGIN "), Repeat("[A-Z ]", 0, 32), Text("PRIVATE KEY-----")),
        ),
        Rule("aws-access-key", "block", both, (Text("AKIA"), Repeat("[0-9A-Z]", 16, 16))),
        Rule("github-token", "block", both, (Text("ghp_"), Repeat("[0-9A-Za-z]", 36, 36))),
        Rule(
            "headrace-key",
            "block",
            both,
            (Text("hr_"), Repeat("[0-9A-Za-z]", 8, 32), Text("_"), Repeat("[0-9A-Za-z]", 40, 40)),
        ),
        Rule(
            "injection-ignore-instructions",
            "flag",
            ("prompt",),
            (Text("ignore all previous instructions"),),
            ignore_case=True,
        ),
    )


class RuleSet:
    """The rules of one side."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._patterns = PatternSet([rule.pattern for rule in self._rules])

    def met_by(self, text: str) -> Iterator[Rule]:
        """The rules whose pattern is in `text`, in their order."""
        if self._patterns.matches(text):
            yield from (rule for rule in self._rules if rule.pattern.matches(text))

    def undecided_from(self, text: str) -> int:
        """Where something begins that may still meet a rule; `len(text)` if nowhere."""
        return self._patterns.undecided_from(text)


class GuardPolicy:
    """Rules and bounds under one version; the version changes whenever a decision may."""

    def __init__(self, rules: Iterable[Rule], *, maximum_prompt_characters: int) -> None:
        rules = tuple(rules)
        self._prompt_rules = RuleSet(rule for rule in rules if "prompt" in rule.sides)
        self.output_rules = RuleSet(rule for rule in rules if "output" in rule.sides)
        self._maximum_prompt_characters = maximum_prompt_characters
        description = repr((rules, maximum_prompt_characters))
        self.version = hashlib.sha256(description.encode()).hexdigest()[:12]

    def check_prompt(self, request: ModelRequest) -> list[str]:
        """Ids of the rules that flagged; raises INVALID_FIELD or CONTENT_BLOCKED."""
        param = request.input_name
        characters = sum(len(text) for text in request.texts())
        if characters > self._maximum_prompt_characters:
            limit = self._maximum_prompt_characters
            raise HeadraceError(
                Reason.INVALID_FIELD,
                f"{param} holds {characters} characters; at most {limit} are allowed.",
                param=param,
            )
        flagged: dict[str, None] = {}  # in order, each once
        for text in request.texts():
            for rule in self._prompt_rules.met_by(text):
                if rule.action == "block":
                    raise PromptBlockedError(rule, param)
                flagged[f"prompt:{rule.id}:flag"] = None
        return list(flagged)


class PromptBlockedError(HeadraceError):
    """A prompt met a blocking rule."""

    def __init__(self, rule: Rule, param: str) -> None:
        super().__init__(
            Reason.CONTENT_BLOCKED,
            f"The prompt was blocked by the content rule {rule.id}.",
            param=param,
        )
        self.decision = f"prompt:{rule.id}:block"


class OutputScreen:
    """Screens the text of one choice as it streams; nothing that may become a match leaves early.

    Holds back only the end of the text that is a possible beginning of a match, so ordinary text
    passes at once wherever the chunk boundaries fall.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._held = ""
        self.decisions: list[str] = []

    def push(self, text: str) -> str | None:
        """Text that may leave now, or None if a blocking rule is met."""
        self._held += text
        for rule in self._rules.met_by(self._held):
            decision = f"output:{rule.id}:{rule.action}"
            if decision not in self.decisions:
                self.decisions.append(decision)
            if rule.action == "block":
                return None
        undecided = self._rules.undecided_from(self._held)
        released, self._held = self._held[:undecided], self._held[undecided:]
        return released

    def flush(self) -> str:
        """What was held back, once no more text can come."""
        released, self._held = self._held, ""
        return released
