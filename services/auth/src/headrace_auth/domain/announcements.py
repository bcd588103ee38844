"""What others are told: to gateways which principals have ended, to `audit` what has changed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from headrace_auth.domain.fields import is_uuid
from headrace_auth.domain.paging import bad_token, key_of_token, token_of_key
from headrace_auth.domain.records import Kind
from headrace_auth.domain.refusals import invalid_field

REVOCATIONS_KEPT = timedelta(days=1)
"""How long an announced id is refused: as long as the longest-lived token, and at all gateways.

It is known here for longer, so that nobody is given one that gateways still refuse.
"""

REVOCATIONS_IN_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation id that has ended; principals that carry it must be resolved again."""

    KIND: ClassVar = Kind("revocation", ("organization_id", "revocation_id"))

    organization_id: str
    revocation_id: str
    announced_at: datetime

    @property
    def place(self) -> tuple[datetime, str, str]:
        """Where it is in the list of all; what ends in one act has one moment."""
        return self.announced_at, self.organization_id, self.revocation_id

    def to_token(self) -> str:
        """For the page that begins after it."""
        return token_of_key(self.announced_at.isoformat(), self.organization_id, self.revocation_id)


def revocation_of_token(token: str) -> Revocation | None:
    """After which one a page begins; None for the empty token; raises INVALID_FIELD."""
    key = key_of_token(token, 3)
    if key is None:
        return None
    moment, organization_id, revocation_id = key
    try:
        announced_at = datetime.fromisoformat(moment)
    except ValueError as error:
        raise bad_token() from error
    printable = revocation_id.isascii() and revocation_id.isprintable()
    if announced_at.utcoffset() != timedelta(0) or not is_uuid(organization_id) or not printable:
        raise bad_token()
    return Revocation(organization_id, revocation_id, announced_at)


def revocations_page_size(requested: int) -> int:
    """The size to use; 0 means the most; raises INVALID_FIELD."""
    if requested > REVOCATIONS_IN_A_PAGE:
        raise invalid_field("page_size", f"must be from 1 to {REVOCATIONS_IN_A_PAGE}")
    return requested or REVOCATIONS_IN_A_PAGE


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An audit event that waits for its delivery, written together with what it tells of."""

    KIND: ClassVar = Kind("outbox_event", ("event_id",))

    event_id: str
    payload: bytes = field(repr=False)
    """`headrace.audit.v1.AuditEvent`, serialised."""
