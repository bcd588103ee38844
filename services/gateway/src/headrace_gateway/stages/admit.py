"""admit: whether this principal may make this request now."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfoNotFoundError

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.admission import (
    Admission,
    BudgetCharge,
    Charge,
    Demand,
    Tightening,
    answer_tokens,
    charges,
)
from headrace_gateway.domain.budgets import Calendar, cost_micros, most_prompt_tokens
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.refusals import never_fits, not_understood, refusal
from headrace_gateway.ports import Limiter
from headrace_gateway.stages.leases import Leases

MOST_QUESTIONS = 3
"""In two a period may end; time zones that do not agree with themselves are not understood."""


class Admit:
    """Takes the request's charges from every limit and budget that applies, or refuses."""

    def __init__(
        self,
        limiter: Limiter,
        leases: Leases,
        clock: Clock,
        *,
        default_requests_per_minute: int,
        tightening: Tightening,
        saturation: Callable[[str], float],
    ) -> None:
        """`saturation` tells how busy the servers of a model are: 1 is all that they can do."""
        self._limiter = limiter
        self._leases = leases
        self._clock = clock
        self._default_requests_per_minute = default_requests_per_minute
        self._tightening = tightening
        self._saturation = saturation
        self._calendar = Calendar()

    async def run(
        self, exchange: Exchange, principal: Principal, request: ModelRequest | None
    ) -> bool:
        """Fill `exchange.admission`; False if what is known of the principal has ended.

        Raises a limit's error, and NOT_SERVING for one whose limits only a newer gateway knows.
        """
        admission, now = await self._decide(exchange, principal, request)
        if admission.revoked or admission.refused_by:
            exchange.demand = None
        if admission.revoked:
            return False
        exchange.admission = admission
        if admission.refused_by:
            raise refusal(admission.refused_by, now)
        self._leases.begin(exchange)
        _refuse_what_is_not_understood(principal)
        return True

    async def _decide(
        self, exchange: Exchange, principal: Principal, request: ModelRequest | None
    ) -> tuple[Admission, datetime]:
        """The decision, and when it is: budgets go by the limiter's clock, which gateways share."""
        wanted, now = self._charges(principal, request), self._clock.now()
        for _ in range(MOST_QUESTIONS):
            budgets = self._budget_charges(exchange, principal, request, now)
            # Who leaves before the answer may have been admitted, and is settled as if it were so.
            exchange.demand = Demand(
                exchange.request_id, principal.organization_id, wanted, budgets
            )
            try:
                admission = await self._limiter.admit(principal, exchange.demand)
            except HeadraceError:
                exchange.demand = None
                raise
            if not admission.in_other_period:
                return admission, now
            there = datetime.fromtimestamp(admission.decided_at, UTC)
            get_logger().warning("clock_differs", seconds=(now - there).total_seconds())
            now = there
        exchange.demand = None
        raise not_understood()

    def _charges(self, principal: Principal, request: ModelRequest | None) -> tuple[Charge, ...]:
        wanted = charges(principal, request, self._default_requests_per_minute)
        _refuse_what_never_fits(wanted)
        if request is None:
            return wanted
        return self._tightening.apply(wanted, principal.tier, self._saturation(request.model))

    def _budget_charges(
        self,
        exchange: Exchange,
        principal: Principal,
        request: ModelRequest | None,
        now: datetime,
    ) -> tuple[BudgetCharge, ...]:
        """The worst case of every budget; none of one that the model has no price for."""
        if request is None:
            return ()
        prices = principal.prices
        exchange.price = prices.price_of(request.model) if prices is not None else None
        budgets = principal.budgets_on(request.model) if principal.budgets else ()
        if not budgets or prices is None or exchange.price is None:
            return ()
        prompt = most_prompt_tokens(request.written())
        cost = cost_micros(exchange.price, prompt, answer_tokens(request))
        try:
            return tuple(
                BudgetCharge(budget, self._calendar.period(budget, now), cost)
                for budget in budgets
                if budget.currency == prices.currency
            )
        except ZoneInfoNotFoundError as error:
            raise not_understood() from error


def _refuse_what_never_fits(wanted: Sequence[Charge]) -> None:
    for charge in wanted:
        if charge.cost > charge.limit.amount:
            raise never_fits(charge)


def _refuse_what_is_not_understood(principal: Principal) -> None:
    """A limit that cannot be held must not be passed over (docs/adr/0021)."""
    if principal.not_understood:
        what = ", ".join(principal.not_understood)
        get_logger().warning(
            "limit_not_understood", credential_id=principal.credential_id, kind=what
        )
        raise not_understood()
