"""Limits, budgets and prices."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from headrace_auth.adapters.postgres.tables.base import metadata, moment
from headrace_auth.adapters.postgres.tables.directory import organizations, users

SUBJECTS = "subject_type IN ('organization', 'team', 'user', 'api_key')"

limits = Table(
    "limits",
    metadata,
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # Empty means all models; not NULL, so that the primary key keeps such limits apart too.
    Column("model", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "subject_type", "subject_id", "kind", "model"),
    CheckConstraint(SUBJECTS, name="subject_type"),
    CheckConstraint(
        "kind IN ('requests_per_minute', 'tokens_per_minute', 'concurrent_requests')", name="kind"
    ),
    CheckConstraint("amount >= 1", name="amount"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    # As for limits.
    Column("model", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("organization_id", "subject_type", "subject_id", "period", "model"),
    CheckConstraint(SUBJECTS, name="subject_type"),
    CheckConstraint("period IN ('day', 'week', 'month')", name="period"),
    CheckConstraint("amount_micros >= 0", name="amount_micros"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("time_zone <> ''", name="time_zone"),
)

price_tables = Table(
    "price_tables",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("currency", Text, nullable=False),
    Column("prices", JSONB, nullable=False),
    moment("effective_at"),
    Column("created_by", ForeignKey(users.c.id), nullable=False),
    moment("created_at"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
)
