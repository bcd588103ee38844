"""Between LimitService's messages and limits, budgets and prices."""

from typing import Any

from headrace.auth.v1 import auth_pb2, limits_pb2
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.consumption_fields import (
    ModelPrice,
    PriceRequest,
    check_budget,
    check_limit,
    check_price_request,
)
from headrace_auth.domain.paging import key_of_token, page_size
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Subject, Tier
from headrace_auth.servicers.enums import required_from_proto
from headrace_auth.servicers.messages import optional_time
from headrace_auth.use_cases.limits.limits_and_budgets import CapFilter
from headrace_common.proto_enums import from_proto

KEY_PARTS = 4
"""Of limits and budgets, within an organisation: subject and its id, kind or period, model."""


def limit_of(request: limits_pb2.SetLimitRequest) -> LimitRecord:
    """What is to be set; raises INVALID_FIELD."""
    return check_limit(_limit(request, request.amount))


def limit_named(request: limits_pb2.RemoveLimitRequest) -> LimitRecord:
    """What is to be removed: the key counts; raises INVALID_FIELD."""
    return _limit(request, 1)


def budget_of(request: limits_pb2.SetBudgetRequest) -> BudgetRecord:
    """What is to be set; raises INVALID_FIELD."""
    return check_budget(
        BudgetRecord(
            organization_id=request.organization_id,
            subject_type=_subject(request),
            subject_id=request.subject_id,
            period=_period(request),
            amount_micros=request.amount_micros,
            currency=request.currency,
            time_zone=request.time_zone,
            model=request.model,
        )
    )


def budget_named(request: limits_pb2.RemoveBudgetRequest) -> BudgetRecord:
    """What is to be removed: the key counts; raises INVALID_FIELD."""
    return BudgetRecord(
        organization_id=request.organization_id,
        subject_type=_subject(request),
        subject_id=request.subject_id,
        period=_period(request),
        amount_micros=0,
        currency="",
        time_zone="",
        model=request.model,
    )


def cap_filter(request: Any) -> tuple[CapFilter, tuple[str, ...] | None, int]:
    """What to list, after which key, and how much; raises INVALID_FIELD."""
    subject = from_proto(Subject, auth_pb2.LimitSubject, request.subject)
    wanted = CapFilter(subject, request.subject_id, request.organization_id)
    return wanted, key_of_token(request.page_token, KEY_PARTS), page_size(request.page_size)


def price_request(request: limits_pb2.SetPriceTableRequest) -> PriceRequest:
    """What is to be set; raises INVALID_FIELD."""
    return check_price_request(
        request.currency,
        (
            ModelPrice(
                price.model,
                price.input_micros_per_million_tokens,
                price.output_micros_per_million_tokens,
            )
            for price in request.prices
        ),
        optional_time(request, "effective_at"),
    )


def tier_of(request: limits_pb2.SetTierRequest) -> Tier:
    """Which is to be given; raises INVALID_FIELD."""
    return required_from_proto(Tier, auth_pb2.Tier, request.tier, "tier")


def _limit(request: Any, amount: int) -> LimitRecord:
    return LimitRecord(
        organization_id=request.organization_id,
        subject_type=_subject(request),
        subject_id=request.subject_id,
        kind=required_from_proto(LimitKind, auth_pb2.LimitKind, request.kind, "kind"),
        model=request.model,
        amount=amount,
    )


def _subject(request: Any) -> Subject:
    return required_from_proto(Subject, auth_pb2.LimitSubject, request.subject, "subject")


def _period(request: Any) -> BudgetPeriod:
    return required_from_proto(BudgetPeriod, auth_pb2.BudgetPeriod, request.period, "period")
