"""Sessions, refresh tokens, one-time tokens, failed logins and second factors."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from headrace_auth.adapters.postgres.tables.base import metadata, moment
from headrace_auth.adapters.postgres.tables.directory import organizations, users

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    moment("created_at"),
    moment("last_used_at"),
    moment("expires_at"),
    Column("client_id", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("token_version", Integer, nullable=False),
    Column("source_address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    moment("ended_at", nullable=True),
    Index("ix_sessions_user_id", "user_id", "created_at", "id"),
    Index("ix_sessions_live", "user_id", "id", postgresql_where=text("ended_at IS NULL")),
    Index("ix_sessions_client_id", "client_id", "created_at", "id"),
    Index("ix_sessions_expires_at", "expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("session_id", ForeignKey(sessions.c.id, ondelete="CASCADE"), nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", nullable=True),
    Index("ix_refresh_tokens_session_id", "session_id"),
    Index("ix_refresh_tokens_expires_at", "expires_at"),
)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", nullable=True),
    CheckConstraint("purpose IN ('verify_email', 'reset_password')", name="purpose"),
    Index("ix_one_time_tokens_user_id", "user_id", "purpose"),
    Index("ix_one_time_tokens_expires_at", "expires_at"),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    moment("last_failed_at"),
    moment("locked_until"),
    Index("ix_login_failures_last_failed_at", "last_failed_at"),
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("user_id", ForeignKey(users.c.id), primary_key=True),
    Column("sealed_secret", LargeBinary, nullable=False),
    moment("created_at"),
    moment("confirmed_at", nullable=True),
    Column("last_step", Integer, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("code_sha256", LargeBinary, nullable=False),
    moment("created_at"),
    moment("used_at", nullable=True),
    PrimaryKeyConstraint("user_id", "code_sha256"),
)
