"""What may be spent, as it is asked for: rules of budgets, and the budget of a new key."""

import re
from dataclasses import dataclass

from headrace_auth.domain.principal import Budget, BudgetPeriod, Subject
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.domain.time_zones import is_time_zone

MAXIMUM_MICROS = 10**15

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget, not yet said whose; amounts in millionths of the currency's unit."""

    amount_micros: int
    currency: str
    period: BudgetPeriod
    time_zone: str

    def of_key(self, api_key_id: str) -> Budget:
        return Budget(
            Subject.API_KEY,
            api_key_id,
            self.amount_micros,
            self.currency,
            self.period,
            self.time_zone,
        )


def check_allowance(
    param: str, *, amount_micros: int, currency: str, period: BudgetPeriod | None, time_zone: str
) -> Allowance:
    """The allowance, if every part keeps its rule; an amount of 0 means that nothing may be spent.

    Raises INVALID_FIELD that names the part, for example `budget.period`.
    """
    check_amount(f"{param}.amount_micros", amount_micros)
    check_currency(f"{param}.currency", currency)
    if period is None:
        raise invalid_field(f"{param}.period", f"must be one of {', '.join(BudgetPeriod)}")
    check_time_zone(f"{param}.time_zone", time_zone)
    return Allowance(amount_micros, currency, period, time_zone)


def check_amount(param: str, micros: int) -> int:
    """What a budget allows, in millionths; 0 lets nothing be spent."""
    if not 0 <= micros <= MAXIMUM_MICROS:
        raise invalid_field(param, f"must be from 0 to {MAXIMUM_MICROS}")
    return micros


def check_currency(param: str, currency: str) -> str:
    """Three capitals, as ISO 4217 has them."""
    if _CURRENCY.fullmatch(currency) is None:
        raise invalid_field(param, "must be three capital letters (ISO 4217)")
    return currency


def check_time_zone(param: str, name: str) -> str:
    """A name of the IANA time zone database."""
    if not is_time_zone(name):
        raise invalid_field(param, "must be an IANA time zone, as Europe/Berlin")
    return name
