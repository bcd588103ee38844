"""What others are told: to gateways which principals have ended, to `audit` what has changed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from headrace_auth.domain.records import Kind

REVOCATIONS_KEPT = timedelta(days=1)
"""How long an announced id is refused: as long as the longest-lived token, and at all gateways.

It is known here for longer, so that nobody is given one that gateways still refuse.
"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation id that has ended; principals that carry it must be resolved again."""

    KIND: ClassVar = Kind("revocation", ("organization_id", "revocation_id"))

    organization_id: str
    revocation_id: str
    announced_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An audit event that waits for its delivery, written together with what it tells of."""

    KIND: ClassVar = Kind("outbox_event", ("event_id",))

    event_id: str
    payload: bytes = field(repr=False)
    """`headrace.audit.v1.AuditEvent`, serialised."""
