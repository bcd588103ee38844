"""Who answered, for whom, and what it cost.

Nullable, so that a process of the release before still inserts while both run.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "audit"


def upgrade() -> None:
    for column in _columns():
        op.add_column("events", column, schema=SCHEMA)


def downgrade() -> None:
    for column in reversed(_columns()):
        op.drop_column("events", column.name, schema=SCHEMA)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("served_model", sa.Text),
        sa.Column("cohort", sa.Text),
        sa.Column("end_user", sa.Text),
        sa.Column("cost_currency", sa.Text),
        sa.Column("cost_micros", sa.BigInteger),
        sa.Column("price_version", sa.BigInteger),
        sa.Column("charged_budgets", JSONB),
    ]
