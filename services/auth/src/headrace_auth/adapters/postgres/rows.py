"""Columns that several queries share, and how their rows become domain objects."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
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

from headrace_auth.adapters.postgres.tables import api_keys, budgets, limits, memberships, users
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.principal import (
    Budget,
    BudgetPeriod,
    Limit,
    LimitKind,
    Member,
    Role,
    Scope,
    Subject,
)

MEMBER_SUBJECTS: dict[Subject, ColumnElement[Any]] = {
    Subject.ORGANIZATION: memberships.c.organization_id,
    Subject.TEAM: memberships.c.team_id,
    Subject.USER: memberships.c.user_id,
}
KEY_SUBJECT: dict[Subject, ColumnElement[Any]] = {Subject.API_KEY: api_keys.c.id}

MEMBER_TABLES = memberships.join(users, users.c.id == memberships.c.user_id)


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


def member_columns() -> list[ColumnElement[Any]]:
    """What `to_member` needs of MEMBER_TABLES."""
    organization_id = memberships.c.organization_id
    return [
        memberships.c.user_id,
        organization_id.label("member_organization_id"),
        memberships.c.role,
        users.c.token_version,
        _gathered(limits, MEMBER_SUBJECTS, organization_id).label("member_limits"),
        _gathered(budgets, MEMBER_SUBJECTS, organization_id).label("member_budgets"),
    ]


def api_key_columns() -> list[ColumnElement[Any]]:
    """What `to_api_key` needs of table `api_keys`."""
    own_limits = _gathered(limits, KEY_SUBJECT, api_keys.c.organization_id)
    return [*api_keys.c, own_limits.label("key_limits")]


def to_member(row: Row[Any]) -> Member:
    """From a row with `member_columns`."""
    return Member(
        user_id=row.user_id,
        organization_id=row.member_organization_id,
        role=Role(row.role),
        token_version=row.token_version,
        limits=tuple(_to_limit(item) for item in row.member_limits),
        budgets=tuple(_to_budget(item) for item in row.member_budgets),
    )


def to_api_key(row: Row[Any]) -> ApiKey:
    """From a row with `api_key_columns`."""
    return ApiKey(
        api_key_id=row.id,
        organization_id=row.organization_id,
        created_by=row.created_by,
        name=row.name,
        scopes=frozenset(Scope(name) for name in row.scopes),
        created_at=row.created_at,
        allowed_models=tuple(row.allowed_models),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        limits=tuple(_to_limit(item) for item in row.key_limits),
    )


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
    )
