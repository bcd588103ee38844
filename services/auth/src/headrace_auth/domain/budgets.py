"""What a key may spend, as it is asked for."""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from headrace_auth.domain.principal import Budget, BudgetPeriod, Subject
from headrace_auth.domain.refusals import invalid_field

MAXIMUM_MICROS = 10**15
MAXIMUM_ZONE = 64

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
    if not 0 <= amount_micros <= MAXIMUM_MICROS:
        raise invalid_field(f"{param}.amount_micros", f"must be from 0 to {MAXIMUM_MICROS}")
    if not _CURRENCY.fullmatch(currency):
        raise invalid_field(f"{param}.currency", "must be three capital letters (ISO 4217)")
    if period is None:
        raise invalid_field(f"{param}.period", f"must be one of {', '.join(BudgetPeriod)}")
    if not _is_time_zone(time_zone):
        raise invalid_field(f"{param}.time_zone", "must be an IANA time zone, as Europe/Berlin")
    return Allowance(amount_micros, currency, period, time_zone)


def _is_time_zone(name: str) -> bool:
    if not 1 <= len(name) <= MAXIMUM_ZONE or not name.isascii():
        return False
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return False
    return True
