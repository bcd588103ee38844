"""Tiers of organisations.

Only adds: processes of the release before go on beside it, and what they make is standard.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "auth"


def upgrade() -> None:
    op.add_column(
        "organizations",
        sa.Column("tier", sa.Text, nullable=False, server_default="standard"),
        schema=SCHEMA,
    )
    op.create_check_constraint(
        "ck_organizations_tier",
        "organizations",
        "tier IN ('free', 'standard', 'premium')",
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("organizations", "tier", schema=SCHEMA)
