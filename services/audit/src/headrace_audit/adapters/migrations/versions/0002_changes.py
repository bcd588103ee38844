"""What a change was from and to.

Nullable, so that a process of the release before still inserts while both run.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "audit"


def upgrade() -> None:
    op.add_column("events", sa.Column("change_before", JSONB), schema=SCHEMA)
    op.add_column("events", sa.Column("change_after", JSONB), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("events", "change_after", schema=SCHEMA)
    op.drop_column("events", "change_before", schema=SCHEMA)
