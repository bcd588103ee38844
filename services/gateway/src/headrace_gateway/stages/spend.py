"""spend: an answer costs no more than was reserved for it; more is reserved while there is some."""

from contextlib import aclosing
from dataclasses import replace

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.admission import Holding
from headrace_gateway.domain.budgets import cost_micros
from headrace_gateway.domain.completion import CompletionRequest, Events, Finished
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import Limiter

STEP_TOKENS = 256
"""Reserved at a time, per choice, for an answer whose length the request leaves open."""


class Spend:
    """Holds running answers to the budgets that they were admitted under."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def require_price(self, exchange: Exchange, principal: Principal) -> None:
        """Raise MODEL_NOT_PRICED where a budget applies and nobody knows what it is to hold."""
        charged = len(exchange.demand.budget_charges) if exchange.demand else 0
        if principal.budgets and charged < len(principal.budgets_on(exchange.model)):
            raise HeadraceError(
                Reason.MODEL_NOT_PRICED,
                f"The model `{exchange.model}` has no price in the currency of a budget that "
                "applies to you. Whoever runs this platform can set one.",
                param="model",
            )

    def within(self, exchange: Exchange, request: CompletionRequest, events: Events) -> Events:
        """The same events, as long as budgets last; what ends them is in `exchange.cut_by`."""
        if exchange.demand is None or not exchange.demand.budget_charges:
            return events
        return self._within(exchange, request, events)

    async def _within(
        self, exchange: Exchange, request: CompletionRequest, events: Events
    ) -> Events:
        async with aclosing(events):
            async for event in events:
                yield event
                if exchange.cost_micros <= exchange.reserved_micros or isinstance(event, Finished):
                    continue
                await self._reserve_more(exchange, request)
                if exchange.cost_micros > exchange.reserved_micros:
                    cut_by = exchange.cut_by.value.lower() if exchange.cut_by else ""
                    cut = exchange.cut_short("length", request.sampling.choices)
                    yield replace(cut, cut_by=cut_by)
                    return

    async def _reserve_more(self, exchange: Exchange, request: CompletionRequest) -> None:
        """Reserve for what was used beyond and for another step; says why if that is not all."""
        if exchange.demand is None:
            return
        used, reserved = exchange.cost_micros, exchange.reserved_micros
        step = cost_micros(exchange.price, 0, STEP_TOKENS * request.sampling.choices)
        local = exchange.admission is not None and exchange.admission.local
        holding = Holding(exchange.demand, used, reserved, local=local)
        try:
            granted = await self._limiter.extend(holding, used - reserved + step)
        except HeadraceError as error:
            exchange.cut_by = error.reason
            return
        exchange.extended_micros += granted
        if reserved + granted < used:
            exchange.cut_by = Reason.BUDGET_EXHAUSTED
