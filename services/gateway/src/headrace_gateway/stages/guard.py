"""guard: checks the prompt before the model sees it, and the answer before the caller does."""

from collections import defaultdict, deque
from contextlib import aclosing

from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    FinishReason,
    ModelVersion,
    Started,
    TokenLogprob,
)
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.guard import (
    GuardPolicy,
    OutputScreen,
    PromptBlockedError,
    RuleSet,
)


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
                    if released.text or released.logprobs:
                        yield released
                else:
                    for index, choice in choices.items():
                        exchange.guard_decisions.extend(choice.decisions)
                        rest = choice.flush(index)
                        if rest.text or rest.logprobs:
                            yield rest
                    yield event


class ChoiceGuard:
    """Screens one choice; tokens and log probabilities leave with the end of the text they made."""

    def __init__(self, rules: RuleSet) -> None:
        self._screen = OutputScreen(rules)
        self._waiting: deque[tuple[int, Delta]] = deque()
        """Deltas not yet wholly released, each with where its text ends in the choice's text."""
        self._pushed = 0
        self._released = 0

    @property
    def decisions(self) -> list[str]:
        return self._screen.decisions

    def push(self, delta: Delta) -> Delta | None:
        """What may leave now; None if the answer must end."""
        self._pushed += len(delta.text)
        self._waiting.append((self._pushed, delta))
        released = self._screen.push(delta.text)
        return None if released is None else self._release(delta.choice, released)

    def flush(self, choice: int) -> Delta:
        """What is left once no more text can come."""
        return self._release(choice, self._screen.flush())

    def _release(self, choice: int, text: str) -> Delta:
        self._released += len(text)
        tokens = 0
        logprobs: list[TokenLogprob] = []
        while self._waiting and self._waiting[0][0] <= self._released:
            _, delta = self._waiting.popleft()
            tokens += delta.tokens
            logprobs.extend(delta.logprobs)
        return Delta(choice, text, tokens, tuple(logprobs))


def _filtered(exchange: Exchange, request: CompletionRequest, model: ModelVersion) -> Finished:
    reason: FinishReason = "content_filter"
    return Finished(
        model=model,
        finish_reasons=(reason,) * request.sampling.choices,
        prompt_tokens=exchange.prompt_tokens,
        completion_tokens=exchange.completion_tokens,
    )
