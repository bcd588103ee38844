"""What is done in one step: changes, the audit's word of each, and the end of what they end.

Everything in an act is one transaction: records, the audit events that tell of them (delivered
later, from the outbox) and the revocations. Once it is committed, gateways are told what has ended.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.audit_entries import AuditEntry, EntryKind
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.records import Record, resource_of, shown
from headrace_auth.ports import Records, RevocationAnnouncer, Store, Transaction
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_common.logs import get_logger

R = TypeVar("R", bound=Record)
Encode = Callable[[AuditEntry], bytes]
"""From an entry to the audit's event; given by the adapter that knows the proto."""
AT_ONCE = 20
"""Keys or sessions that one act ends: it must be over well within the store's deadline."""


class Act:
    """One transaction on behalf of a caller; what it changes, it tells."""

    def __init__(
        self, transaction: Transaction, caller: Caller, clock: Clock, encode: Encode
    ) -> None:
        self.now = clock.now()
        self.caller = caller
        self.ended: dict[str, list[str]] = defaultdict(list)
        """Revocation ids by organisation."""
        self.steps: list[Callable[[], Awaitable[None]]] = []
        self._transaction = transaction
        self._encode = encode

    def of(self, record_type: type[R]) -> Records[R]:
        """The records of a type, to read; and to write what the audit need not hear of."""
        return self._transaction.of(record_type)

    async def alone(self, name: str) -> None:
        """Wait until no other act that asked for the same name is under way."""
        await self._transaction.alone(name)

    async def database_now(self) -> datetime:
        """By the clock that all replicas share; `now` is this process's."""
        return await self._transaction.now()

    async def add(self, record: Record, operation: str = "create", **about: str) -> None:
        """Keep a new record and tell; `about` overrides fields of the event, such as its user."""
        await self.of(type(record)).add(record)
        await self._tell_change(None, record, operation, about)

    async def change(
        self, before: Record, after: Record, operation: str = "update", **about: str
    ) -> None:
        """Keep a changed record and tell."""
        await self.of(type(after)).put(after)
        await self._tell_change(before, after, operation, about)

    async def remove(self, record: Record, operation: str = "delete", **about: str) -> None:
        """Forget a record and tell."""
        key = (getattr(record, name) for name in record.KIND.key)
        await self.of(type(record)).remove(*key)
        await self._tell_change(record, None, operation, about)

    async def warn(self, operation: str, resource: str, **about: str) -> None:
        """Tell what a security team should know and was done, such as `recovery_code_used`."""
        entry = self._entry(EntryKind.SECURITY, operation, resource, about)
        await self._keep(entry)

    async def warn_of_refusal(
        self, reason: Reason, operation: str, resource: str, **about: str
    ) -> None:
        """Tell what a security team should know and was refused, such as `login_failed`."""
        entry = self._entry(EntryKind.SECURITY, operation, resource, about, refusal=reason)
        await self._keep(entry)

    async def end(self, organization_id: str, *revocation_ids: str) -> None:
        """Have every gateway forget the principals that carry one of these ids."""
        revocations = self._transaction.of(Revocation)
        moment = await self.database_now()
        for revocation_id in revocation_ids:
            try:
                await revocations.add(Revocation(organization_id, revocation_id, moment))
            except HeadraceError as error:
                # It has ended before, or by another act that is under way now.
                if error.reason is not Reason.ALREADY_EXISTS:
                    raise
            self.ended[organization_id].append(revocation_id)

    def once_kept(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do `step`, which must not raise, when the act is committed; never if it is undone."""
        self.steps.append(step)

    async def _tell_change(
        self, before: Any, after: Any, operation: str, about: dict[str, str]
    ) -> None:
        record = after or before
        entry = self._entry(
            EntryKind.CHANGE,
            f"{record.KIND.name}.{operation}",
            resource_of(record),
            about,
            before=shown(before),
            after=shown(after),
        )
        await self._keep(entry)

    def _entry(
        self,
        kind: EntryKind,
        operation: str,
        resource: str,
        about: dict[str, str],
        **more: Any,
    ) -> AuditEntry:
        principal = self.caller.principal
        known: dict[str, Any] = {}
        if principal is not None:
            known = {
                "user_id": principal.member.user_id,
                "organization_id": principal.member.organization_id,
                "credential_id": principal.credential_id,
            }
        return AuditEntry(
            event_id=uuid7(self.now),
            kind=kind,
            occurred_at=self.now,
            operation=operation,
            resource=resource,
            request_id=self.caller.request_id,
            source_address=self.caller.source_address,
            **{**known, **about, **more},
        )

    async def _keep(self, entry: AuditEntry) -> None:
        event = OutboxEvent(entry.event_id, self._encode(entry))
        await self._transaction.of(OutboxEvent).add(event)


class Acts:
    """Begins acts over a store."""

    def __init__(
        self, store: Store, announcer: RevocationAnnouncer, clock: Clock, encode: Encode
    ) -> None:
        self._store = store
        self._announcer = announcer
        self._clock = clock
        self._encode = encode

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[Act]:
        """One act, committed and announced at the end of the block, undone if the block raises."""
        async with self._store.begin() as transaction:
            act = Act(transaction, caller, self._clock, self._encode)
            yield act
        for step in act.steps:
            await step()
        for organization_id, revocation_ids in act.ended.items():
            await self._announce(organization_id, revocation_ids)

    async def _announce(self, organization_id: str, revocation_ids: list[str]) -> None:
        try:
            await self._announcer.announce(organization_id, revocation_ids)
        except HeadraceError as error:
            # It is committed: gateways that ask for revocations every second learn of it so.
            get_logger().warning(
                "revocation_not_announced",
                organization_id=organization_id,
                reason=error.reason.value,
            )
