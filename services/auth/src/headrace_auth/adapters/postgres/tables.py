"""The tables of schema `auth` as this release reads and writes them; migrations make them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "auth"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("organization_id", "name"),
    UniqueConstraint("id", "organization_id"),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("token_version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("token_version >= 1", name="token_version"),
)
Index("ix_users_email", func.lower(users.c.email), unique=True)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("role", Text, nullable=False),
    Column("team_id", Uuid(as_uuid=False)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("user_id", "organization_id"),
    # Both columns, so that nobody is in a team of another organisation.
    ForeignKeyConstraint(["team_id", "organization_id"], [teams.c.id, teams.c.organization_id]),
    CheckConstraint("role IN ('owner', 'admin', 'member', 'auditor', 'service')", name="role"),
    Index("ix_memberships_organization_id", "organization_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("created_by", ForeignKey(users.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("allowed_models", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("octet_length(secret_sha256) = 32", name="secret_sha256"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
    Index("ix_api_keys_page", "organization_id", "created_at", "id"),
    Index("ix_api_keys_created_by", "created_by", "organization_id", "created_at", "id"),
)

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
    PrimaryKeyConstraint("organization_id", "subject_type", "subject_id", "period"),
    CheckConstraint(SUBJECTS, name="subject_type"),
    CheckConstraint("period IN ('day', 'week', 'month')", name="period"),
    CheckConstraint("amount_micros >= 0", name="amount_micros"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("time_zone <> ''", name="time_zone"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("encrypted_private_key", LargeBinary, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("algorithm IN ('ES256', 'RS256')", name="algorithm"),
)
