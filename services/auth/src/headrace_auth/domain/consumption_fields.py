"""Rules for the fields of limits, budgets and prices; see `fields`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from headrace_auth.domain.budgets import check_amount, check_currency, check_time_zone
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.fields import MAXIMUM_MODEL, MAXIMUM_RATE, check_text
from headrace_auth.domain.refusals import invalid_field

MAXIMUM_PRICE_MICROS = 10**12
MAXIMUM_PRICES = 500


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What a model costs, in millionths of the currency's unit per million tokens."""

    model: str
    input_micros: int
    output_micros: int


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """A whole price table as somebody asks for it; without a time it holds from now on."""

    currency: str
    prices: tuple[ModelPrice, ...]
    effective_at: datetime | None = None


def check_limit(record: LimitRecord) -> LimitRecord:
    """The limit, if every field keeps its rule."""
    _check_model(record.model)
    if not 1 <= record.amount <= MAXIMUM_RATE:
        raise invalid_field("amount", f"must be from 1 to {MAXIMUM_RATE}")
    return record


def check_budget(record: BudgetRecord) -> BudgetRecord:
    """The budget, if every field keeps its rule."""
    _check_model(record.model)
    check_amount("amount_micros", record.amount_micros)
    check_currency("currency", record.currency)
    check_time_zone("time_zone", record.time_zone)
    return record


def check_price_request(
    currency: str, prices: Iterable[ModelPrice], effective_at: datetime | None
) -> PriceRequest:
    """The request, if every field keeps its rule; when it may take effect is not a field's rule."""
    listed = tuple(prices)
    if not 1 <= len(listed) <= MAXIMUM_PRICES:
        raise invalid_field("prices", f"must be from 1 to {MAXIMUM_PRICES} models")
    if len({price.model for price in listed}) != len(listed):
        raise invalid_field("prices", "each model once")
    for price in listed:
        check_text("prices", price.model, MAXIMUM_MODEL)
        for micros in (price.input_micros, price.output_micros):
            if not 0 <= micros <= MAXIMUM_PRICE_MICROS:
                raise invalid_field("prices", f"must be from 0 to {MAXIMUM_PRICE_MICROS}")
    return PriceRequest(check_currency("currency", currency), listed, effective_at)


def _check_model(model: str) -> None:
    """Empty means all models."""
    if model:
        check_text("model", model, MAXIMUM_MODEL)
