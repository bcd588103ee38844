"""Money: what a request costs, what it may cost at most, and when a budget begins anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from headrace_gateway.domain.principal import Budget, BudgetPeriod, ModelPrice

TOKENS_PER_PRICE = 1_000_000

TEMPLATE_TOKENS = 64
"""What a chat template puts around one text at most."""


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when a budget counts, in seconds since 1970; it ends just before `end`."""

    start: int
    end: int


class Calendar:
    """Finds the period that a moment is in; remembers the current ones."""

    def __init__(self) -> None:
        self._current: dict[tuple[BudgetPeriod, str], Period] = {}

    def period(self, budget: Budget, now: datetime) -> Period:
        """Raises KeyError (ZoneInfoNotFoundError) for a time zone that is not known here."""
        key = (budget.period, budget.time_zone)
        period = self._current.get(key)
        if period is None or not period.start <= now.timestamp() < period.end:
            period = self._current[key] = period_of(*key, now)
        return period


def period_of(kind: BudgetPeriod, time_zone: str, now: datetime) -> Period:
    """The day, the week from Monday or the month that `now` is in, where `time_zone` is."""
    zone = ZoneInfo(time_zone)
    first = _first_day(kind, now.astimezone(zone).date())
    following = _first_day(kind, first + timedelta(days={"day": 1, "week": 7, "month": 31}[kind]))
    return Period(_midnight(first, zone), _midnight(following, zone))


def _first_day(kind: BudgetPeriod, day: date) -> date:
    match kind:
        case BudgetPeriod.DAY:
            return day
        case BudgetPeriod.WEEK:
            return day - timedelta(days=day.weekday())
        case BudgetPeriod.MONTH:
            return day.replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """When a day begins. Where clocks are put back at midnight, there are two: the second.

    Where they are put forward at midnight there is none; then the day begins with the change.
    """
    first, second = (datetime(day.year, day.month, day.day, tzinfo=zone, fold=f) for f in (0, 1))
    return int(max(first.timestamp(), second.timestamp()))


def cost_micros(price: ModelPrice | None, prompt_tokens: int, completion_tokens: int) -> int:
    """What so many tokens cost; a started millionth counts as one. Nothing without a price."""
    if price is None:
        return 0
    exact = (
        prompt_tokens * price.input_micros_per_million_tokens
        + completion_tokens * price.output_micros_per_million_tokens
    )
    return -(-exact // TOKENS_PER_PRICE)


def most_prompt_tokens(texts: Iterable[str]) -> int:
    """More tokens than these are not made of the texts: none of them is less than a byte."""
    return sum(TEMPLATE_TOKENS + _bytes(text) for text in texts)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
