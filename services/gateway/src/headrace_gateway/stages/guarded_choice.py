"""One choice of an answer on its way through the guard: its text, its calls, its tokens."""

from collections import defaultdict
from dataclasses import replace

from headrace_gateway.domain.completion import Delta, TokenLogprob, ToolCallPart
from headrace_gateway.domain.guard import OutputRules, OutputScreen
from headrace_gateway.domain.logprobs import LogprobGate
from headrace_gateway.domain.plain_json import PlainJson


class ChoiceGuard:
    """Screens one choice; log probabilities leave with the text that they describe."""

    def __init__(self, rules: OutputRules) -> None:
        self._screen = OutputScreen(rules)
        self._calls: defaultdict[int, CallGuard] = defaultdict(lambda: CallGuard(rules))
        self._gate = LogprobGate(rules.holding.patterns)
        self._untold_tokens = 0

    @property
    def blocked(self) -> bool:
        """Whether the answer must end."""
        return self._screen.blocked or any(call.blocked for call in self._calls.values())

    def decisions(self) -> list[str]:
        """What was decided so far, each once."""
        calls = (decision for call in self._calls.values() for decision in call.decisions())
        return list(dict.fromkeys((*self._screen.decisions(), *calls)))

    def push(self, delta: Delta) -> Delta:
        """What may leave now; once `blocked`, nothing more does."""
        self._gate.push(delta.text, delta.logprobs)
        self._untold_tokens += delta.tokens
        released = self._screen.push(delta.text)
        calls = [self._calls[part.index].push(part) for part in delta.tool_calls]
        return self._told(delta.choice, released, calls)

    def flush(self, choice: int) -> Delta:
        """What is left once no more text can come."""
        released = self._screen.flush()
        calls = [ToolCallPart(index, call.flush()) for index, call in self._calls.items()]
        return self._told(choice, released, calls, ended=not self.blocked)

    def _told(
        self, choice: int, text: str, calls: list[ToolCallPart], *, ended: bool = False
    ) -> Delta:
        logprobs = self._described(ended=ended)
        parts = tuple(part for part in calls if part.arguments or part.name or part.id)
        told = Delta(choice, text, self._untold_tokens, logprobs, parts)
        if told.tells:
            self._untold_tokens = 0
        return told

    def _described(self, *, ended: bool) -> tuple[TokenLogprob, ...]:
        """The entries that may leave.

        Which of them are of a call's arguments is not known: with a call they wait for the end, and
        are not told if anything was masked there.
        """
        calls = self._calls.values()
        if calls and (not ended or any(call.masked for call in calls)):
            return ()
        return self._gate.release(self._screen.passed, self._screen.masked, ended=ended)


class CallGuard:
    """Screens one call; its arguments are read as whoever parses them will read them."""

    def __init__(self, rules: OutputRules) -> None:
        self._names = OutputScreen(rules), OutputScreen(rules)
        self._arguments = OutputScreen(rules)
        self._plain = PlainJson()
        self._named = True

    @property
    def blocked(self) -> bool:
        """Whether the answer must end."""
        return self._arguments.blocked or not self._named

    @property
    def masked(self) -> bool:
        """Whether something else stands in its arguments than the model said."""
        return bool(self._arguments.masked)

    def decisions(self) -> list[str]:
        """What was decided so far; the same may be in it more than once."""
        screens = (*self._names, self._arguments)
        decided = [decision for screen in screens for decision in screen.decisions()]
        if not self._named:  # what cannot be masked ends the answer
            decided = [each.replace(":mask", ":block") for each in decided]
        return decided

    def push(self, part: ToolCallPart) -> ToolCallPart:
        """What of it may leave now.

        Nothing of an id or a name is held back, since both are whole in the first part.
        """
        if not all(map(_passes, self._names, (part.id, part.name))):
            self._named = False
        if self.blocked:
            return ToolCallPart(part.index, "")
        released = self._arguments.push(self._plain.feed(part.arguments))
        return replace(part, arguments=released)

    def flush(self) -> str:
        """What was held back of the arguments."""
        if self.blocked:
            return ""
        return self._arguments.push(self._plain.flush()) + self._arguments.flush()


def _passes(screen: OutputScreen, name: str) -> bool:
    """Whether it may leave as it is."""
    if not name:
        return True
    released = screen.push(name) + screen.flush()
    return released == name and not screen.blocked
