"""Organisations, teams, users, memberships, API keys, limits, budgets and signing keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "auth"
SUBJECTS = "subject_type IN ('organization', 'team', 'user', 'api_key')"


def upgrade() -> None:
    _create_people()
    _create_api_keys()
    _create_limits_and_budgets()
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("encrypted_private_key", sa.LargeBinary, nullable=False),
        sa.Column("public_jwk", JSONB, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.CheckConstraint("algorithm IN ('ES256', 'RS256')", name="ck_signing_keys_algorithm"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in (
        "signing_keys",
        "budgets",
        "limits",
        "api_keys",
        "memberships",
        "users",
        "teams",
        "organizations",
    ):
        op.drop_table(table, schema=SCHEMA)


def _create_people() -> None:
    op.create_table(
        "organizations",
        _id("id"),
        sa.Column("name", sa.Text, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
        schema=SCHEMA,
    )
    op.create_table(
        "teams",
        _id("id"),
        _id("organization_id"),
        sa.Column("name", sa.Text, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
        sa.UniqueConstraint("organization_id", "name", name="uq_teams_organization_id"),
        sa.UniqueConstraint("id", "organization_id", name="uq_teams_id"),
        _references("teams", ["organization_id"], "organizations", ["id"]),
        schema=SCHEMA,
    )
    op.create_table(
        "users",
        _id("id"),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("token_version", sa.Integer, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.CheckConstraint("token_version >= 1", name="ck_users_token_version"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_users_email", "users", [sa.text("lower(email)")], unique=True, schema=SCHEMA
    )
    op.create_table(
        "memberships",
        _id("user_id"),
        _id("organization_id"),
        sa.Column("role", sa.Text, nullable=False),
        _id("team_id", nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("user_id", "organization_id", name="pk_memberships"),
        _references("memberships", ["user_id"], "users", ["id"]),
        _references("memberships", ["organization_id"], "organizations", ["id"]),
        _references(
            "memberships", ["team_id", "organization_id"], "teams", ["id", "organization_id"]
        ),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'member', 'auditor', 'service')", name="ck_memberships_role"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_memberships_organization_id", "memberships", ["organization_id"], schema=SCHEMA
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary, nullable=False),
        _id("organization_id"),
        _id("created_by"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        sa.Column("allowed_models", ARRAY(sa.Text), nullable=False),
        _time("created_at"),
        _time("expires_at", nullable=True),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        _references("api_keys", ["organization_id"], "organizations", ["id"]),
        _references("api_keys", ["created_by"], "users", ["id"]),
        sa.CheckConstraint("octet_length(secret_sha256) = 32", name="ck_api_keys_secret_sha256"),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="ck_api_keys_name"),
        schema=SCHEMA,
    )
    page = ["organization_id", "created_at", "id"]
    op.create_index("ix_api_keys_page", "api_keys", page, schema=SCHEMA)
    op.create_index("ix_api_keys_created_by", "api_keys", ["created_by", *page], schema=SCHEMA)


def _create_limits_and_budgets() -> None:
    op.create_table(
        "limits",
        _id("organization_id"),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "subject_type", "subject_id", "kind", "model", name="pk_limits"
        ),
        _references("limits", ["organization_id"], "organizations", ["id"]),
        sa.CheckConstraint(SUBJECTS, name="ck_limits_subject_type"),
        sa.CheckConstraint(
            "kind IN ('requests_per_minute', 'tokens_per_minute', 'concurrent_requests')",
            name="ck_limits_kind",
        ),
        sa.CheckConstraint("amount >= 1", name="ck_limits_amount"),
        schema=SCHEMA,
    )
    op.create_table(
        "budgets",
        _id("organization_id"),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("amount_micros", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "subject_type", "subject_id", "period", name="pk_budgets"
        ),
        _references("budgets", ["organization_id"], "organizations", ["id"]),
        sa.CheckConstraint(SUBJECTS, name="ck_budgets_subject_type"),
        sa.CheckConstraint("period IN ('day', 'week', 'month')", name="ck_budgets_period"),
        sa.CheckConstraint("amount_micros >= 0", name="ck_budgets_amount_micros"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_budgets_currency"),
        sa.CheckConstraint("time_zone <> ''", name="ck_budgets_time_zone"),
        schema=SCHEMA,
    )


def _id(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _references(
    table: str, columns: list[str], other: str, other_columns: list[str]
) -> sa.ForeignKeyConstraint:
    targets = [f"{SCHEMA}.{other}.{column}" for column in other_columns]
    return sa.ForeignKeyConstraint(columns, targets, name=f"fk_{table}_{columns[0]}")
