"""From `auth`'s message to the principal that the gateway works with."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from functools import lru_cache
from ipaddress import ip_network
from types import MappingProxyType

from headrace.auth.v1 import auth_pb2
from headrace_gateway.domain.principal import (
    Budget,
    BudgetPeriod,
    Limit,
    LimitKind,
    ModelPrice,
    PriceTable,
    Principal,
    Tier,
)

KINDS: Mapping[int, LimitKind] = MappingProxyType(
    {
        auth_pb2.LIMIT_KIND_REQUESTS_PER_MINUTE: LimitKind.REQUESTS_PER_MINUTE,
        auth_pb2.LIMIT_KIND_TOKENS_PER_MINUTE: LimitKind.TOKENS_PER_MINUTE,
        auth_pb2.LIMIT_KIND_CONCURRENT_REQUESTS: LimitKind.CONCURRENT_REQUESTS,
    }
)
SUBJECTS: Mapping[int, str] = MappingProxyType(
    {
        auth_pb2.LIMIT_SUBJECT_ORGANIZATION: "organization",
        auth_pb2.LIMIT_SUBJECT_TEAM: "team",
        auth_pb2.LIMIT_SUBJECT_USER: "user",
        auth_pb2.LIMIT_SUBJECT_API_KEY: "api_key",
    }
)
PERIODS: Mapping[int, BudgetPeriod] = MappingProxyType(
    {
        auth_pb2.BUDGET_PERIOD_DAY: BudgetPeriod.DAY,
        auth_pb2.BUDGET_PERIOD_WEEK: BudgetPeriod.WEEK,
        auth_pb2.BUDGET_PERIOD_MONTH: BudgetPeriod.MONTH,
    }
)
TIERS: Mapping[int, Tier] = MappingProxyType(
    {
        auth_pb2.TIER_UNSPECIFIED: Tier.STANDARD,  # `auth` of before there were tiers
        auth_pb2.TIER_FREE: Tier.FREE,
        auth_pb2.TIER_STANDARD: Tier.STANDARD,
        auth_pb2.TIER_PREMIUM: Tier.PREMIUM,
    }
)


def to_principal(message: auth_pb2.Principal) -> Principal:
    """Who the message says it is, with all of its limits, budgets and prices.

    What a newer `auth` sends and this version does not know is named in `not_understood`.
    """
    expires_at = None
    if message.HasField("expires_at"):
        expires_at = message.expires_at.ToDatetime(tzinfo=UTC)
    return Principal(
        credential_id=message.credential_id,
        user_id=message.user_id,
        organization_id=message.organization_id,
        scopes=frozenset(message.scopes),
        allowed_models=frozenset(message.allowed_models),
        limits=tuple(_limits(message)),
        budgets=tuple(_budgets(message)),
        tier=TIERS.get(message.tier, Tier.STANDARD),
        prices=_prices(message),
        not_understood=tuple(dict.fromkeys(_not_understood(message))),
        expires_at=expires_at,
        revocation_ids=tuple(message.revocation_ids),
        allowed_networks=tuple(ip_network(each) for each in message.allowed_networks),
    )


def _limits(message: auth_pb2.Principal) -> Iterator[Limit]:
    for limit in message.limits:
        kind, subject = KINDS.get(limit.kind), SUBJECTS.get(limit.subject)
        if kind and subject:
            yield Limit(kind, f"{subject}:{limit.subject_id}", limit.amount, limit.model or None)


def _budgets(message: auth_pb2.Principal) -> Iterator[Budget]:
    for budget in message.budgets:
        period, subject = PERIODS.get(budget.period), SUBJECTS.get(budget.subject)
        if period and subject:
            yield Budget(
                f"{subject}:{budget.subject_id}",
                budget.amount_micros,
                budget.currency,
                period,
                budget.time_zone,
                budget.model or None,
            )


def _prices(message: auth_pb2.Principal) -> PriceTable | None:
    if not message.HasField("prices"):
        return None
    return _price_table(message.prices.SerializeToString())


@lru_cache(maxsize=64)
def _price_table(serialized: bytes) -> PriceTable:
    """One for all who are told the same: of thousands of principals each would have 500 prices."""
    table = auth_pb2.PriceTable.FromString(serialized)
    return PriceTable(
        table.version,
        table.currency,
        tuple(
            ModelPrice(
                price.model,
                price.input_micros_per_million_tokens,
                price.output_micros_per_million_tokens,
            )
            for price in table.prices
        ),
    )


def _not_understood(message: auth_pb2.Principal) -> Iterator[str]:
    if message.tier not in TIERS:
        yield f"tier {message.tier}"
    for limit in message.limits:
        if limit.kind not in KINDS:
            yield f"limit kind {limit.kind}"
        if limit.subject not in SUBJECTS:
            yield f"limit subject {limit.subject}"
    for budget in message.budgets:
        if budget.period not in PERIODS:
            yield f"budget period {budget.period}"
        if budget.subject not in SUBJECTS:
            yield f"budget subject {budget.subject}"
