"""Columns that several queries share, and how their rows become domain objects."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Table,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from headrace_auth.adapters.postgres.tables import (
    api_keys,
    budgets,
    limits,
    memberships,
    organizations,
    price_tables,
    users,
)
from headrace_auth.domain.principal import (
    Budget,
    BudgetPeriod,
    Limit,
    LimitKind,
    Member,
    Role,
    Subject,
    Tier,
)
from headrace_common.postgres_reads import Row

MEMBER_SUBJECTS: dict[Subject, ColumnElement[Any]] = {
    Subject.ORGANIZATION: memberships.c.organization_id,
    Subject.TEAM: memberships.c.team_id,
    Subject.USER: memberships.c.user_id,
}
KEY_SUBJECT: dict[Subject, ColumnElement[Any]] = {Subject.API_KEY: api_keys.c.id}

MEMBER_TABLES = memberships.join(users, users.c.id == memberships.c.user_id).join(
    organizations, organizations.c.id == memberships.c.organization_id
)


def _gathered(
    table: Table, subjects: dict[Subject, ColumnElement[Any]], organization_id: ColumnElement[Any]
) -> ScalarSelect[Any]:
    """The rows of `table` about any of the subjects, as one JSON array: one round trip for all."""
    about = [
        and_(table.c.subject_type == literal(kind.value), table.c.subject_id == cast(id_, Text))
        for kind, id_ in subjects.items()
    ]
    return (
        select(func.coalesce(func.jsonb_agg(func.to_jsonb(table.table_valued())), cast([], JSONB)))
        .where(table.c.organization_id == organization_id, or_(*about))
        .correlate(api_keys, memberships)
        .scalar_subquery()
    )


def _price_version() -> ScalarSelect[Any]:
    """Of the price table in force: the highest version whose time has come."""
    return (
        select(func.max(price_tables.c.version))
        .where(price_tables.c.effective_at <= func.now())
        .scalar_subquery()
    )


def member_columns() -> list[ColumnElement[Any]]:
    """What `to_member` needs of MEMBER_TABLES."""
    organization_id = memberships.c.organization_id
    return [
        memberships.c.user_id.label("member_user_id"),
        organization_id.label("member_organization_id"),
        memberships.c.role,
        users.c.token_version,
        memberships.c.team_id,
        memberships.c.version.label("member_version"),
        organizations.c.version.label("organization_version"),
        organizations.c.platform,
        organizations.c.tier,
        _price_version().label("price_version"),
        _gathered(limits, MEMBER_SUBJECTS, organization_id).label("member_limits"),
        _gathered(budgets, MEMBER_SUBJECTS, organization_id).label("member_budgets"),
    ]


def key_columns() -> list[ColumnElement[Any]]:
    """The limits and budgets of a row of table `api_keys`."""
    return [
        _gathered(table, KEY_SUBJECT, api_keys.c.organization_id).label(f"key_{table.name}")
        for table in (limits, budgets)
    ]


def to_member(row: Row) -> Member:
    """From a row with `member_columns`."""
    return Member(
        user_id=row["member_user_id"],
        organization_id=row["member_organization_id"],
        role=Role(row["role"]),
        token_version=row["token_version"],
        limits=to_limits(row["member_limits"]),
        budgets=to_budgets(row["member_budgets"]),
        team_id=row["team_id"],
        version=row["member_version"],
        organization_version=row["organization_version"],
        in_platform=row["platform"],
        tier=Tier(row["tier"]),
        price_version=row["price_version"] or 0,
    )


def to_limits(items: list[dict[str, Any]]) -> tuple[Limit, ...]:
    """From gathered rows of table `limits`."""
    return tuple(_to_limit(item) for item in items)


def to_budgets(items: list[dict[str, Any]]) -> tuple[Budget, ...]:
    """From gathered rows of table `budgets`."""
    return tuple(_to_budget(item) for item in items)


def _to_limit(item: dict[str, Any]) -> Limit:
    return Limit(
        LimitKind(item["kind"]),
        Subject(item["subject_type"]),
        item["subject_id"],
        item["amount"],
        item["model"],
    )


def _to_budget(item: dict[str, Any]) -> Budget:
    return Budget(
        Subject(item["subject_type"]),
        item["subject_id"],
        item["amount_micros"],
        item["currency"],
        BudgetPeriod(item["period"]),
        item["time_zone"],
        item["model"],
    )
