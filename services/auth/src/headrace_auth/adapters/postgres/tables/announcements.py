"""What gateways and `audit` are still to be told."""

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid

from headrace_auth.adapters.postgres.tables.base import metadata, moment

revocations = Table(
    "revocations",
    metadata,
    Column("organization_id", Uuid(as_uuid=False), nullable=False),
    Column("revocation_id", Text, nullable=False),
    moment("announced_at"),
    PrimaryKeyConstraint("organization_id", "revocation_id"),
    Index("ix_revocations_announced_at", "announced_at"),
)

outbox_events = Table(
    "outbox_events",
    metadata,
    # UUIDv7: the order of the primary key is nearly the order of the events.
    Column("event_id", Uuid(as_uuid=False), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
)
