"""A guard policy: what prompts and answers are checked for, and what happens on a match."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.detectors import CHECKS_VERSION
from headrace_gateway.domain.embedding import OneRequest
from headrace_gateway.domain.masks import Masks, UnmaskableError
from headrace_gateway.domain.rules import LengthRule, Rule, RuleSet
from headrace_gateway.domain.screen import Screen, screen_whole

DEFAULT_WINDOW = 1024
"""Characters that a match has at most, and that are held back at most."""


@dataclass(frozen=True, slots=True)
class OutputRules:
    """Rules for answers: those that text must wait for, and those that only take note."""

    holding: RuleSet
    flagging: RuleSet
    lengths: tuple[LengthRule, ...]

    @property
    def shortest(self) -> LengthRule | None:
        """The length that ends an answer."""
        blocking = [rule for rule in self.lengths if rule.action == "block"]
        return min(blocking, key=lambda rule: rule.maximum_characters, default=None)


class GuardPolicy:
    """Rules and bounds under one version; the version changes whenever a decision may."""

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        maximum_prompt_characters: int,
        lengths: Iterable[LengthRule] = (),
        window: int = DEFAULT_WINDOW,
    ) -> None:
        """Raises PatternError if the rules are too many or too large for one expression."""
        rules, lengths = tuple(rules), tuple(lengths)
        prompt = [rule for rule in rules if "prompt" in rule.sides]
        output = [rule for rule in rules if "output" in rule.sides]
        self._prompt = RuleSet(prompt, window)
        self._prompt_lengths = [rule for rule in lengths if "prompt" in rule.sides]
        self.output = OutputRules(
            holding=RuleSet((rule for rule in output if rule.action != "flag"), window),
            flagging=RuleSet((rule for rule in output if rule.action == "flag"), window),
            lengths=tuple(rule for rule in lengths if "output" in rule.sides),
        )
        self._maximum_prompt_characters = maximum_prompt_characters
        described = [rule.description() for rule in rules]
        whole = repr((CHECKS_VERSION, described, lengths, window, maximum_prompt_characters))
        self.version = hashlib.sha256(whole.encode()).hexdigest()[:12]

    def check_prompt(self, request: OneRequest) -> tuple[OneRequest, list[str]]:
        """The request with masks, and what was decided; raises INVALID_FIELD, PromptBlockedError.

        Without masks it is the very same request.
        """
        param = request.input_name
        decisions: dict[str, None] = {}  # in order, each once
        texts = request.texts()
        self._check_length(sum(map(len, texts)), param, decisions)
        masks = Masks()
        for text in texts:
            screened = screen_whole(self._prompt, text)
            if screened is None:
                continue
            decisions |= dict.fromkeys(f"prompt:{each}" for each in screened.decisions)
            if screened.blocked:
                raise PromptBlockedError(param, list(decisions))
            if screened.masked:
                masks.add(text, screened.text)
        if not masks:
            return request, list(decisions)
        try:
            return masks.apply(request), list(decisions)
        except UnmaskableError as error:
            raise _unmasked(param, list(decisions)) from error

    def _check_length(self, characters: int, param: str, decisions: dict[str, None]) -> None:
        limit = self._maximum_prompt_characters
        if characters > limit:
            raise HeadraceError(
                Reason.INVALID_FIELD,
                f"{param} holds {characters} characters; at most {limit} are allowed.",
                param=param,
            )
        for rule in self._prompt_lengths:
            if characters > rule.maximum_characters:
                decisions[f"prompt:{rule.id}:{rule.action}"] = None
                if rule.action == "block":
                    raise PromptBlockedError(param, list(decisions))


class PromptBlockedError(HeadraceError):
    """A prompt met a blocking rule, the last one of `decisions`."""

    def __init__(self, param: str, decisions: list[str]) -> None:
        rule = decisions[-1].split(":")[1]
        super().__init__(
            Reason.CONTENT_BLOCKED,
            f"The prompt was blocked by the content rule {rule}.",
            param=param,
        )
        self.decisions = decisions


def _unmasked(param: str, decisions: list[str]) -> PromptBlockedError:
    """What cannot be masked, such as a name, must not reach the model either."""
    masking = [each.removesuffix("mask") for each in decisions if each.endswith(":mask")]
    return PromptBlockedError(param, [*decisions, *(f"{each}block" for each in masking)])


class OutputScreen:
    """Screens one text of an answer as it streams; flags are decided about once it has ended.

    Text waits for rules that block or mask, never for those that only flag.
    """

    def __init__(self, rules: OutputRules) -> None:
        self._rules = rules
        self._screen = Screen(rules.holding)
        self._longest = rules.shortest
        self._keeps = bool(rules.flagging.rules or rules.lengths)
        self._heard: list[str] = []
        self._characters = 0
        self._too_long = False

    @property
    def blocked(self) -> bool:
        """Whether the answer must end."""
        return self._screen.blocked or self._too_long

    @property
    def passed(self) -> int:
        """How many characters of the text have been released or masked."""
        return self._screen.passed

    @property
    def masked(self) -> list[tuple[int, int]]:
        """Which parts of the text were masked."""
        return self._screen.masked

    def push(self, text: str) -> str:
        """What may leave now; once `blocked`, nothing more does."""
        if self._keeps:
            self._heard.append(text)
            self._characters += len(text)
        if self._longest is None or self._characters <= self._longest.maximum_characters:
            return self._screen.push(text)
        room = self._longest.maximum_characters - (self._characters - len(text))
        released = self._screen.push(text[: max(0, room)])
        self._too_long = True
        return released

    def flush(self) -> str:
        """What was held back, once no more text can come."""
        return "" if self.blocked else self._screen.flush()

    def decisions(self) -> list[str]:
        """All that was decided about the text so far, flags included."""
        decided = list(self._screen.decisions)
        for rule in self._rules.lengths:
            if self._characters > rule.maximum_characters:
                decided.append(f"{rule.id}:{rule.action}")
        screened = screen_whole(self._rules.flagging, "".join(self._heard))
        if screened is not None:
            decided += screened.decisions
        return [f"output:{each}" for each in decided]
