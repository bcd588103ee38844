"""What a request cost: into the audit's event, and back to settle what a killed process left."""

from collections.abc import Callable

from google.protobuf.message import DecodeError

from headrace.audit.v1 import audit_pb2
from headrace_gateway.domain.admission import BudgetCharge, Demand, Settlement
from headrace_gateway.domain.budgets import Period
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import Budget, BudgetPeriod


def to_cost(exchange: Exchange) -> audit_pb2.Cost | None:
    """As it is settled; None where nobody has told what the model costs."""
    prices = exchange.principal.prices if exchange.principal else None
    if prices is None or exchange.price is None:
        return None
    cost = audit_pb2.Cost(
        currency=prices.currency,
        amount_micros=exchange.cost_micros,
        price_version=prices.version,
    )
    for charge in exchange.charged:
        budget = cost.budgets.add(
            subject=charge.budget.subject,
            model=charge.budget.model or "",
            period=charge.budget.period.value,
        )
        budget.period_start.seconds = charge.period.start
    return cost


def to_settlement(payload: bytes, done: Callable[[], None]) -> Settlement:
    """Of the event that a killed process noted: enough of its demand to find what it had reserved.

    Places among the requests in flight are left to their leases; all is, if it is no such event.
    """
    try:
        event = audit_pb2.AuditEvent.FromString(payload)
        cost = event.model_use.cost
        charges = tuple(_charge(cost.currency, budget) for budget in cost.budgets)
    except (DecodeError, ValueError):  # of a newer release, perhaps
        return Settlement(Demand("", "", ()), None, tokens=0, cost_micros=0, done=done)
    demand = Demand(event.request_id, event.actor.organization_id, (), charges)
    return Settlement(demand, None, tokens=0, cost_micros=cost.amount_micros, done=done)


def _charge(currency: str, charged: audit_pb2.ChargedBudget) -> BudgetCharge:
    """Cap, end and time zone do not matter any more."""
    start = charged.period_start.seconds
    budget = Budget(
        subject=charged.subject,
        amount_micros=0,
        currency=currency,
        period=BudgetPeriod(charged.period),
        time_zone="UTC",
        model=charged.model or None,
    )
    return BudgetCharge(budget, Period(start, start), cost_micros=0)
