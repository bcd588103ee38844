"""guard: checks the prompt before the model sees it, and the answer before the caller does."""

from collections import defaultdict
from contextlib import aclosing

from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    Started,
)
from headrace_gateway.domain.embedding import OneRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.guard import PromptBlockedError
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import GuardPolicies
from headrace_gateway.stages.guarded_choice import ChoiceGuard


class Guard:
    """Applies the policy that is in force when a request comes to its prompt and its answer."""

    def __init__(self, policies: GuardPolicies) -> None:
        self._policies = policies

    def check_prompt(
        self, exchange: Exchange, principal: Principal, request: OneRequest
    ) -> OneRequest:
        """The request as the model may see it; raises CONTENT_BLOCKED or INVALID_FIELD.

        Notes in the exchange what was decided, and by which policy.
        """
        policy = self._policies.book.policy_for(principal.organization_id, request.model)
        exchange.guard_policy, exchange.guard_policy_version = policy, policy.version
        try:
            checked, decisions = policy.check_prompt(request)
        except PromptBlockedError as error:
            exchange.guard_decisions.extend(error.decisions)
            raise
        exchange.guard_decisions.extend(decisions)
        exchange.prompt_masked = checked is not request
        return checked

    async def check_output(
        self, exchange: Exchange, request: CompletionRequest, events: Events
    ) -> Events:
        """The same events without text that a rule masks or blocks; a block ends the answer."""
        if exchange.guard_policy is None:
            raise RuntimeError("an answer came before its prompt was checked")
        rules = exchange.guard_policy.output
        choices: defaultdict[int, ChoiceGuard] = defaultdict(lambda: ChoiceGuard(rules))
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Started):
                        yield event
                        continue
                    if isinstance(event, Delta):
                        told = [choices[event.choice].push(event)]
                    else:
                        told = [choice.flush(index) for index, choice in choices.items()]
                    for delta in told:
                        if delta.tells:
                            yield delta
                    if any(choice.blocked for choice in choices.values()):
                        yield exchange.cut_short("content_filter", request.sampling.choices)
                        return
                    if isinstance(event, Finished):
                        yield event
        finally:
            # Also of an answer that broke off: what has left has been looked at.
            decided = (each for choice in choices.values() for each in choice.decisions())
            exchange.guard_decisions.extend(dict.fromkeys(decided))
