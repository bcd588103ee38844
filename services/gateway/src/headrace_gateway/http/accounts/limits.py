"""`/api/v1/limits`, `/budgets` and `/prices`: what may be used, and what it costs."""

from typing import Annotated

from pydantic import Field

from headrace_gateway.http.account_routes import AccountRoute, record, records
from headrace_gateway.http.accounts.fields import (
    Amount,
    BudgetAmount,
    Currency,
    Identifier,
    Model,
    Moment,
    OptionalIdentifier,
    OptionalModel,
    TimeZone,
    Word,
)
from headrace_gateway.http.accounts.paging import Page
from headrace_gateway.http.bodies import Body, Query

MAXIMUM_PRICE, MAXIMUM_PRICES = 10**12, 500
"""As in `auth`."""
Price = Annotated[int, Field(ge=0, le=MAXIMUM_PRICE)]


class CapsQuery(Page):
    """`GET /api/v1/limits` and `/budgets`: all, or those of one kind of subject, or of one."""

    subject: Word | None = None
    subject_id: OptionalIdentifier = ""
    organization_id: OptionalIdentifier = ""
    page_token: str = Field(default="", max_length=2000)


class CapBody(Body):
    """Whose use a limit or a budget caps; an organization's id may be left out."""

    subject: Word
    subject_id: Identifier | None = None
    model: OptionalModel = ""
    organization_id: Identifier | None = None


class SetLimitBody(CapBody):
    """`PUT /api/v1/limits`."""

    kind: Word
    amount: Amount


class SetBudgetBody(CapBody):
    """`PUT /api/v1/budgets`."""

    amount_micros: BudgetAmount
    currency: Currency
    period: Word
    time_zone: TimeZone = "UTC"


class CapQuery(Query):
    """What names a limit or a budget, as in the body that set it."""

    subject: Word
    subject_id: OptionalIdentifier = ""
    model: OptionalModel = ""
    organization_id: OptionalIdentifier = ""


class LimitQuery(CapQuery):
    """`DELETE /api/v1/limits`."""

    kind: Word


class BudgetQuery(CapQuery):
    """`DELETE /api/v1/budgets`."""

    period: Word


class ModelPriceBody(Body):
    """What a model costs, in millionths of the currency's unit per million tokens."""

    model: Model
    input_micros_per_million_tokens: Price
    output_micros_per_million_tokens: Price


class PriceTableBody(Body):
    """`POST /api/v1/prices`: a whole table, from `effective_at` or from now on."""

    currency: Currency
    effective_at: Moment | None = None
    prices: Annotated[list[ModelPriceBody], Field(min_length=1, max_length=MAXIMUM_PRICES)]


class PriceTableQuery(Query):
    """`GET /api/v1/prices`; without a version the one in force."""

    version: int = Field(default=0, ge=0, le=2**31 - 1)


LIMITS = (
    AccountRoute(
        "GET",
        "/api/v1/limits",
        "LimitService/ListLimits",
        "List limits of rates and concurrency",
        records("limit"),
        query=CapsQuery,
    ),
    AccountRoute(
        "PUT",
        "/api/v1/limits",
        "LimitService/SetLimit",
        "Set a limit",
        record("limit"),
        body=SetLimitBody,
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/limits",
        "LimitService/RemoveLimit",
        "Lift a limit",
        record("limit"),
        query=LimitQuery,
    ),
)
BUDGETS = (
    AccountRoute(
        "GET",
        "/api/v1/budgets",
        "LimitService/ListBudgets",
        "List budgets",
        records("budget"),
        query=CapsQuery,
    ),
    AccountRoute(
        "PUT",
        "/api/v1/budgets",
        "LimitService/SetBudget",
        "Set a budget",
        record("budget"),
        body=SetBudgetBody,
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/budgets",
        "LimitService/RemoveBudget",
        "Lift a budget",
        record("budget"),
        query=BudgetQuery,
    ),
)
PRICES = (
    AccountRoute(
        "GET",
        "/api/v1/prices",
        "LimitService/GetPriceTable",
        "See what models cost",
        record("price_table"),
        query=PriceTableQuery,
    ),
    AccountRoute(
        "POST",
        "/api/v1/prices",
        "LimitService/SetPriceTable",
        "Add the next version of the price table",
        record("price_table"),
        body=PriceTableBody,
        status=201,
    ),
)
