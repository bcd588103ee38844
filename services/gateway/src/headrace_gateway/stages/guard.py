"""guard: checks the prompt before the model sees it, and the answer before the caller does."""

from collections import defaultdict, deque
from contextlib import aclosing
from dataclasses import replace

from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    FinishReason,
    ModelVersion,
    Started,
    TokenLogprob,
    ToolCallPart,
)
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.guard import (
    GuardPolicy,
    OutputScreen,
    PromptBlockedError,
    RuleSet,
)
from headrace_gateway.domain.plain_json import PlainJson


class Guard:
    """Applies one policy to both sides."""

    def __init__(self, policy: GuardPolicy) -> None:
        self._policy = policy

    def check_prompt(self, exchange: Exchange, request: ModelRequest) -> None:
        """Note flags in the exchange; raises CONTENT_BLOCKED or INVALID_FIELD."""
        exchange.guard_policy_version = self._policy.version
        try:
            exchange.guard_decisions.extend(self._policy.check_prompt(request))
        except PromptBlockedError as error:
            exchange.guard_decisions.append(error.decision)
            raise

    async def check_output(
        self, exchange: Exchange, request: CompletionRequest, events: Events
    ) -> Events:
        """The same events without text that a rule blocks; a block ends the answer."""
        rules = self._policy.output_rules
        choices: defaultdict[int, ChoiceGuard] = defaultdict(lambda: ChoiceGuard(rules))
        model = ModelVersion(request.model, "")
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Started):
                    model = event.model
                    yield event
                elif isinstance(event, Delta):
                    released = choices[event.choice].push(event)
                    if released is None:
                        exchange.guard_decisions.extend(choices[event.choice].decisions)
                        yield _filtered(exchange, request, model)
                        return
                    if released.tells:
                        yield released
                else:
                    for index, choice in choices.items():
                        rest = choice.flush(index)
                        exchange.guard_decisions.extend(choice.decisions)
                        if rest is None:
                            yield _filtered(exchange, request, model)
                            return
                        if rest.tells:
                            yield rest
                    yield event


class ChoiceGuard:
    """Screens one choice; tokens and log probabilities leave with the end of the text they made."""

    def __init__(self, rules: RuleSet) -> None:
        self._screen = OutputScreen(rules)
        self._calls: defaultdict[int, CallGuard] = defaultdict(lambda: CallGuard(rules))
        self._waiting: deque[tuple[int, Delta]] = deque()
        """Deltas not yet wholly released, each with where its text ends in the choice's text."""
        self._pushed = 0
        self._released = 0

    @property
    def decisions(self) -> list[str]:
        """What was decided, each once."""
        calls = (decision for call in self._calls.values() for decision in call.decisions)
        return list(dict.fromkeys((*self._screen.decisions, *calls)))

    def push(self, delta: Delta) -> Delta | None:
        """What may leave now; None if the answer must end."""
        self._pushed += len(delta.text)
        self._waiting.append((self._pushed, delta))
        released = self._screen.push(delta.text)
        calls = [self._calls[part.index].push(part) for part in delta.tool_calls]
        if released is None or None in calls:
            return None
        parts = (part for part in calls if part and (part.arguments or part.name or part.id))
        return self._release(delta.choice, released, tuple(parts))

    def flush(self, choice: int) -> Delta | None:
        """What is left once no more text can come; None if the answer must end."""
        parts = []
        for index, call in self._calls.items():
            arguments = call.flush()
            if arguments is None:
                return None
            if arguments:
                parts.append(ToolCallPart(index, arguments))
        return self._release(choice, self._screen.flush(), tuple(parts))

    def _release(self, choice: int, text: str, calls: tuple[ToolCallPart, ...]) -> Delta:
        self._released += len(text)
        tokens = 0
        logprobs: list[TokenLogprob] = []
        while self._waiting and self._waiting[0][0] <= self._released:
            _, delta = self._waiting.popleft()
            tokens += delta.tokens
            logprobs.extend(delta.logprobs)
        return Delta(choice, text, tokens, tuple(logprobs), calls)


class CallGuard:
    """Screens one call; its arguments are read as whoever parses them will read them."""

    def __init__(self, rules: RuleSet) -> None:
        self._id = OutputScreen(rules)
        self._name = OutputScreen(rules)
        self._arguments = OutputScreen(rules)
        self._plain = PlainJson()

    @property
    def decisions(self) -> list[str]:
        """What was decided; the same may be in it more than once."""
        return self._id.decisions + self._name.decisions + self._arguments.decisions

    def push(self, part: ToolCallPart) -> ToolCallPart | None:
        """What of it may leave now; None if the answer must end.

        Nothing of an id or a name is held back, since both are whole in the first part.
        """
        if self._id.push(part.id) is None or self._name.push(part.name) is None:
            return None
        released = self._arguments.push(self._plain.feed(part.arguments))
        return None if released is None else replace(part, arguments=released)

    def flush(self) -> str | None:
        """What was held back of the arguments; None if the answer must end."""
        released = self._arguments.push(self._plain.flush())
        return None if released is None else released + self._arguments.flush()


def _filtered(exchange: Exchange, request: CompletionRequest, model: ModelVersion) -> Finished:
    reason: FinishReason = "content_filter"
    return Finished(
        model=model,
        finish_reasons=(reason,) * request.sampling.choices,
        prompt_tokens=exchange.prompt_tokens,
        completion_tokens=exchange.completion_tokens,
    )
