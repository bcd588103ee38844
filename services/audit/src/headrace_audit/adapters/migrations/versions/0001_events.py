"""The table of events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "audit"


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("writer", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("organization_id", sa.Text),
        sa.Column("credential_id", sa.Text),
        sa.Column("source_address", sa.Text),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error_reason", sa.Text),
        sa.Column("http_status", sa.SmallInteger),
        sa.Column("resource", sa.Text),
        *_model_use_columns(),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_events_organization_id_occurred_at",
        "events",
        ["organization_id", "occurred_at"],
        schema=SCHEMA,
    )
    op.create_index("ix_events_request_id", "events", ["request_id"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("events", schema=SCHEMA)


def _model_use_columns() -> list[sa.Column[object]]:
    """NULL in every row that is about no model request."""
    return [
        sa.Column("model", sa.Text),
        sa.Column("model_version", sa.Text),
        sa.Column("guard_policy_version", sa.Text),
        sa.Column("guard_decisions", ARRAY(sa.Text)),
        sa.Column("cache_status", sa.Text),
        sa.Column("prompt_tokens", sa.BigInteger),
        sa.Column("completion_tokens", sa.BigInteger),
        sa.Column("finish_reasons", ARRAY(sa.Text)),
        sa.Column("total_time", sa.Interval),
        sa.Column("time_to_first_token", sa.Interval),
        sa.Column("queue_time", sa.Interval),
        sa.Column("streamed", sa.Boolean),
    ]
