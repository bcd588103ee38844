"""Sessions, invitations, second factors, OAuth2, key rotation, prices, announcements.

Only adds or loosens, so that processes of the release before may go on beside it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "auth"
ROLES = "role IN ('owner', 'admin', 'member', 'auditor', 'service')"
NEW_COLUMNS = {
    "organizations": (
        lambda: sa.Column("platform", sa.Boolean, nullable=False, server_default=sa.false()),
        lambda: _integer("version", default="1"),
    ),
    "users": (
        lambda: _text("kind", default="person"),
        lambda: _text("name", default=""),
        lambda: _time("email_verified_at", nullable=True),
        lambda: _time("disabled_at", nullable=True),
    ),
    "memberships": (lambda: _integer("version", default="1"),),
    "api_keys": (
        lambda: sa.Column("allowed_networks", ARRAY(sa.Text), nullable=False, server_default="{}"),
        lambda: _bytes("previous_secret_sha256", nullable=True),
        lambda: _time("previous_secret_expires_at", nullable=True),
        lambda: _text("signature_algorithm", default=""),
        lambda: _text("public_key", default=""),
        lambda: _bytes("sealed_signing_secret", nullable=True),
        lambda: _integer("version", default="1"),
    ),
    "budgets": (lambda: _text("model", default=""),),
    "signing_keys": (
        lambda: sa.Column(
            "activates_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        lambda: _time("retires_at", nullable=True),
    ),
}
NEW_TABLES = (
    "outbox_events",
    "revocations",
    "price_tables",
    "authorization_codes",
    "authorization_requests",
    "oauth_clients",
    "key_use_batches",
    "api_key_uses",
    "recovery_codes",
    "second_factors",
    "login_failures",
    "one_time_tokens",
    "refresh_tokens",
    "sessions",
    "linked_identities",
    "invitations",
)
"""Those that refer to others first."""


def upgrade() -> None:
    for table, columns in NEW_COLUMNS.items():
        for column in columns:
            op.add_column(table, column(), schema=SCHEMA)
    _loosen()
    # The oldest organisation is the one that `auth` made for the installation's first owner.
    op.execute(
        "UPDATE auth.organizations SET platform = true WHERE id ="
        " (SELECT id FROM auth.organizations ORDER BY created_at, id LIMIT 1)"
    )
    # Whoever exists was named by the one who installed it.
    op.execute("UPDATE auth.users SET email_verified_at = created_at")
    op.execute("UPDATE auth.signing_keys SET activates_at = created_at")
    _create_directory()
    _create_sessions()
    _create_second_factors()
    _create_oauth()
    _create_announcements()


def downgrade() -> None:
    """Loses what the release before cannot hold: who has no password, and keys that sign."""
    for table in NEW_TABLES:
        op.drop_table(table, schema=SCHEMA)
    for statement in DELETIONS:
        op.execute(statement)
    op.execute("DELETE FROM auth.budgets WHERE model <> ''")
    op.drop_constraint("ck_api_keys_credential", "api_keys", schema=SCHEMA)
    op.drop_constraint("ck_users_email", "users", schema=SCHEMA)
    op.drop_constraint("ck_users_kind", "users", schema=SCHEMA)
    _set_budget_key("organization_id", "subject_type", "subject_id", "period")
    for table, column in (("users", "email"), ("users", "password_hash"), SECRET):
        op.alter_column(table, column, nullable=False, schema=SCHEMA)
    for table, columns in NEW_COLUMNS.items():
        for column_of in columns:
            op.drop_column(table, column_of().name, schema=SCHEMA)


DELETIONS = (
    "DELETE FROM auth.api_keys WHERE secret_sha256 IS NULL",
    "DELETE FROM auth.api_keys USING auth.users WHERE created_by = users.id"
    " AND (email IS NULL OR password_hash IS NULL)",
    "DELETE FROM auth.memberships USING auth.users WHERE user_id = users.id"
    " AND (email IS NULL OR password_hash IS NULL)",
    "DELETE FROM auth.users WHERE email IS NULL OR password_hash IS NULL",
)
SECRET = ("api_keys", "secret_sha256")


def _loosen() -> None:
    for table, column in (("users", "email"), ("users", "password_hash"), SECRET):
        op.alter_column(table, column, nullable=True, schema=SCHEMA)
    _check("users", "kind", "kind IN ('person', 'service')")
    _check("users", "email", "kind = 'service' OR email IS NOT NULL")
    _check("api_keys", "credential", "secret_sha256 IS NOT NULL OR signature_algorithm <> ''")
    _set_budget_key("organization_id", "subject_type", "subject_id", "period", "model")


def _create_directory() -> None:
    _create(
        "invitations",
        _id("id"),
        _id("organization_id"),
        _text("email"),
        _text("role"),
        _id("team_id", nullable=True),
        _bytes("token_sha256"),
        _id("created_by"),
        _time("created_at"),
        _time("expires_at"),
        _time("accepted_at", nullable=True),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("token_sha256", name="uq_invitations_token_sha256"),
        _references("invitations", ["organization_id"], "organizations"),
        _references("invitations", ["created_by"], "users"),
        _references(
            "invitations", ["team_id", "organization_id"], "teams", ["id", "organization_id"]
        ),
        sa.CheckConstraint(ROLES, name="ck_invitations_role"),
    )
    _index("invitations", "organization_id", "created_at", "id")
    _create(
        "linked_identities",
        _text("provider"),
        _text("subject"),
        _id("user_id"),
        _text("email"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("provider", "subject", name="pk_linked_identities"),
        _references("linked_identities", ["user_id"], "users"),
    )
    _index("linked_identities", "user_id")


def _create_sessions() -> None:
    _create(
        "sessions",
        _id("id"),
        _id("user_id"),
        _id("organization_id"),
        _time("created_at"),
        _time("last_used_at"),
        _time("expires_at"),
        _text("client_id"),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        _integer("token_version"),
        _text("source_address"),
        _text("user_agent"),
        _time("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        _references("sessions", ["user_id"], "users"),
        _references("sessions", ["organization_id"], "organizations"),
    )
    _index("sessions", "user_id", "created_at", "id")
    op.execute(
        "CREATE INDEX ix_sessions_live ON auth.sessions (user_id, id) WHERE ended_at IS NULL"
    )
    _index("sessions", "client_id", "created_at", "id")
    _index("sessions", "expires_at")
    _create(
        "refresh_tokens",
        _bytes("token_sha256"),
        _id("session_id"),
        _time("created_at"),
        _time("expires_at"),
        _time("used_at", nullable=True),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_refresh_tokens"),
        _references("refresh_tokens", ["session_id"], "sessions", ondelete="CASCADE"),
    )
    _index("refresh_tokens", "session_id")
    _index("refresh_tokens", "expires_at")
    _create(
        "one_time_tokens",
        _bytes("token_sha256"),
        _text("purpose"),
        _id("user_id"),
        _time("created_at"),
        _time("expires_at"),
        _time("used_at", nullable=True),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_one_time_tokens"),
        _references("one_time_tokens", ["user_id"], "users"),
        sa.CheckConstraint(
            "purpose IN ('verify_email', 'reset_password')", name="ck_one_time_tokens_purpose"
        ),
    )
    _index("one_time_tokens", "user_id", "purpose")
    _index("one_time_tokens", "expires_at")


def _create_second_factors() -> None:
    _create(
        "login_failures",
        _text("subject"),
        _integer("failures"),
        _time("last_failed_at"),
        _time("locked_until"),
        sa.PrimaryKeyConstraint("subject", name="pk_login_failures"),
    )
    _index("login_failures", "last_failed_at")
    _create(
        "second_factors",
        _id("user_id"),
        _bytes("sealed_secret"),
        _time("created_at"),
        _time("confirmed_at", nullable=True),
        _integer("last_step"),
        sa.PrimaryKeyConstraint("user_id", name="pk_second_factors"),
        _references("second_factors", ["user_id"], "users"),
    )
    _create(
        "recovery_codes",
        _id("user_id"),
        _bytes("code_sha256"),
        _time("created_at"),
        _time("used_at", nullable=True),
        sa.PrimaryKeyConstraint("user_id", "code_sha256", name="pk_recovery_codes"),
        _references("recovery_codes", ["user_id"], "users"),
    )


def _create_oauth() -> None:
    _create(
        "oauth_clients",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        _id("organization_id"),
        _text("name"),
        _bytes("secret_sha256", nullable=True),
        *(
            sa.Column(name, ARRAY(sa.Text), nullable=False)
            for name in ("redirect_uris", "grant_types", "scopes")
        ),
        _id("service_user_id", nullable=True),
        _id("created_by"),
        _time("created_at"),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_oauth_clients"),
        _references("oauth_clients", ["organization_id"], "organizations"),
        _references("oauth_clients", ["service_user_id"], "users"),
        _references("oauth_clients", ["created_by"], "users"),
        sa.CheckConstraint(
            "octet_length(secret_sha256) = 32", name="ck_oauth_clients_secret_sha256"
        ),
    )
    _index("oauth_clients", "organization_id", "created_at", "id")
    _create(
        "authorization_requests",
        _bytes("request_sha256"),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        _text("redirect_uri"),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        _text("code_challenge"),
        _time("created_at"),
        _time("expires_at"),
        sa.Column("state", sa.Text),
        sa.PrimaryKeyConstraint("request_sha256", name="pk_authorization_requests"),
        _references("authorization_requests", ["client_id"], "oauth_clients"),
    )
    _index("authorization_requests", "expires_at")
    _create(
        "authorization_codes",
        _bytes("code_sha256"),
        sa.Column("client_id", sa.Text(collation="C"), nullable=False),
        _id("user_id"),
        _id("organization_id"),
        _text("redirect_uri"),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        _text("code_challenge"),
        _time("created_at"),
        _time("expires_at"),
        _integer("token_version"),
        _time("used_at", nullable=True),
        _text("session_id", default=""),
        sa.PrimaryKeyConstraint("code_sha256", name="pk_authorization_codes"),
        _references("authorization_codes", ["client_id"], "oauth_clients"),
        _references("authorization_codes", ["user_id"], "users"),
        _references("authorization_codes", ["organization_id"], "organizations"),
    )
    _index("authorization_codes", "expires_at")


def _create_announcements() -> None:
    _create(
        "api_key_uses",
        sa.Column("api_key_id", sa.Text(collation="C"), nullable=False),
        _time("last_used_at"),
        sa.Column("use_count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", name="pk_api_key_uses"),
    )
    _create(
        "key_use_batches",
        _id("id"),
        _time("added_at"),
        sa.PrimaryKeyConstraint("id", name="pk_key_use_batches"),
    )
    _index("key_use_batches", "added_at")
    _create(
        "price_tables",
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        _text("currency"),
        sa.Column("prices", JSONB, nullable=False),
        _time("effective_at"),
        _id("created_by"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("version", name="pk_price_tables"),
        _references("price_tables", ["created_by"], "users"),
        sa.CheckConstraint("version >= 1", name="ck_price_tables_version"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="ck_price_tables_currency"),
    )
    _create(
        "revocations",
        _id("organization_id"),
        _text("revocation_id"),
        _time("announced_at"),
        sa.PrimaryKeyConstraint("organization_id", "revocation_id", name="pk_revocations"),
    )
    _index("revocations", "announced_at")
    _create(
        "outbox_events",
        _id("event_id"),
        _bytes("payload"),
        sa.PrimaryKeyConstraint("event_id", name="pk_outbox_events"),
    )


def _create(table: str, *items: sa.schema.SchemaItem) -> None:
    op.create_table(table, *items, schema=SCHEMA)


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{columns[0]}", table, list(columns), schema=SCHEMA)


def _check(table: str, name: str, rule: str) -> None:
    op.create_check_constraint(f"ck_{table}_{name}", table, rule, schema=SCHEMA)


def _set_budget_key(*columns: str) -> None:
    op.drop_constraint("pk_budgets", "budgets", schema=SCHEMA)
    op.create_primary_key("pk_budgets", "budgets", list(columns), schema=SCHEMA)


def _id(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _text(name: str, *, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _integer(name: str, *, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=default)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _references(
    table: str,
    columns: list[str],
    other: str,
    other_columns: list[str] | None = None,
    *,
    ondelete: str | None = None,
) -> sa.ForeignKeyConstraint:
    targets = [f"{SCHEMA}.{other}.{column}" for column in other_columns or ["id"]]
    name = f"fk_{table}_{columns[0]}"
    return sa.ForeignKeyConstraint(columns, targets, name=name, ondelete=ondelete)
