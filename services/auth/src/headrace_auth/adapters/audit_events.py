"""From audit entries to the audit's events, and their delivery from the outbox."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.audit.v1 import audit_pb2, audit_pb2_grpc
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.audit_entries import AuditEntry, EntryKind
from headrace_auth.ports import Announcements
from headrace_common.errors import HeadraceError, Kind, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.logs import get_logger
from headrace_common.proto_enums import to_proto

MAXIMUM_TEXT_CHARACTERS = 512
MAXIMUM_STATE_BYTES = 16 * 1024
"""As `audit` bounds them: no caller's long text may make an event that it refuses."""
BATCH_SIZE = 200
RECORD_SECONDS = 5.0
PAUSE_SECONDS = 0.5
"""Between two looks into an empty outbox, and after an outage."""


class EntryEncoder:
    """Encodes entries in the name of one process, for example `auth/auth-5c9d`."""

    def __init__(self, writer: str) -> None:
        self._writer = writer

    def __call__(self, entry: AuditEntry) -> bytes:
        occurred_at = Timestamp()
        occurred_at.FromDatetime(entry.occurred_at)
        event = audit_pb2.AuditEvent(
            event_id=entry.event_id,
            kind=to_proto(audit_pb2.EventKind, entry.kind),
            occurred_at=occurred_at,
            writer=self._writer,
            request_id=_clean(entry.request_id) or entry.event_id,
            source_address=_clean(entry.source_address),
            operation=entry.operation,
            outcome=audit_pb2.OUTCOME_REFUSED if entry.refusal else audit_pb2.OUTCOME_SUCCEEDED,
            error_reason=entry.refusal.value if entry.refusal else "",
            resource=_clean(entry.resource),
        )
        if entry.user_id or entry.organization_id:
            event.actor.user_id = entry.user_id
            event.actor.organization_id = entry.organization_id
            event.actor.credential_id = entry.credential_id
        if entry.kind is EntryKind.CHANGE:
            event.change.before_json = _json(entry.before)
            event.change.after_json = _json(entry.after)
        return event.SerializeToString()


class OutboxDelivery:
    """Sends what is in the outbox to `audit` until it is acknowledged; `audit` drops duplicates."""

    def __init__(self, announcements: Announcements, channel: grpc.aio.Channel) -> None:
        self._announcements = announcements
        self._stub = audit_pb2_grpc.AuditServiceStub(channel)

    async def keep_delivering(self) -> None:
        """Run until cancelled; outages of PostgreSQL and of `audit` are waited for."""
        while True:
            try:
                delivered = await self.deliver()
            except HeadraceError as error:
                get_logger().warning("outbox_not_delivered", reason=error.reason.value)
                delivered = 0
            if delivered < BATCH_SIZE:
                await asyncio.sleep(PAUSE_SECONDS)

    async def deliver(self) -> int:
        """Send one batch and forget what was taken; how many that were. Raises HeadraceError."""
        waiting = await self._announcements.undelivered(BATCH_SIZE)
        taken = await self._taken(waiting)
        if taken:
            await self._announcements.delivered([event.event_id for event in taken])
        return len(taken)

    async def _taken(self, events: Sequence[OutboxEvent]) -> Sequence[OutboxEvent]:
        """Those that `audit` has now; one that it refuses stays, and holds up no other."""
        try:
            await self._send(events)
        except HeadraceError as error:
            if error.kind not in (Kind.INVALID, Kind.TOO_LARGE):
                raise
            if len(events) > 1:
                return [event for each in events for event in await self._taken([each])]
            get_logger().error("outbox_event_refused", event_id=events[0].event_id)
            return []
        return events

    async def _send(self, events: Sequence[OutboxEvent]) -> None:
        if not events:
            return
        try:
            messages = [audit_pb2.AuditEvent.FromString(event.payload) for event in events]
        except DecodeError as error:
            raise HeadraceError(Reason.INVALID_FIELD, "a payload is no audit event") from error
        with translate_rpc_errors("audit"):
            await self._stub.RecordEvents(
                audit_pb2.RecordEventsRequest(events=messages), timeout=RECORD_SECONDS
            )


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAXIMUM_TEXT_CHARACTERS]


def _json(state: Mapping[str, Any] | None) -> str:
    """The state as JSON; while it is too large, its largest field is told by size and digest."""
    if state is None:
        return ""
    told = dict(state)
    while len(text := _dump(told)) > MAXIMUM_STATE_BYTES:
        largest = max(told, key=lambda name: len(_dump(told[name])))
        whole = _dump(told[largest]).encode()
        told[largest] = {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    return text


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
