"""A Store and a RevocationAnnouncer in this process's memory, for tests and trials."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from headrace_auth.adapters.memory_key_uses import MemoryKeyUses
from headrace_auth.adapters.memory_records import MemoryRecords, Rows
from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.api_keys import ApiKey, StoredApiKey
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import Budget, Limit, Member, Subject
from headrace_auth.domain.records import Record
from headrace_auth.ports import SealedSigningKey
from headrace_common.clock import Clock

R = TypeVar("R", bound=Record)


class MemoryTransaction:
    """A transaction; the whole store is its own until it ends."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock

    def of(self, record_type: type[R]) -> MemoryRecords[R]:
        return MemoryRecords(record_type, self._rows)

    async def alone(self, name: str) -> None:
        pass  # it is already

    async def now(self) -> datetime:
        return self._clock.now()


class MemoryPrincipals:
    """Principals over the rows of a MemoryStore."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def api_key(self, api_key_id: str) -> StoredApiKey | None:
        rows = self._store.rows
        key: ApiKey | None = rows.get(ApiKey, {}).get((api_key_id,))
        member = await self.member(key.created_by, key.organization_id) if key else None
        if key is None or member is None:
            return None
        limits, budgets = self._consumption(
            key.organization_id, {(Subject.API_KEY, key.api_key_id)}
        )
        return StoredApiKey(key, member, limits, budgets)

    async def member(
        self, user_id: str, organization_id: str, *, unless_ended: Sequence[str] = ()
    ) -> Member | None:
        rows = self._store.rows
        if any((organization_id, each) in rows.get(Revocation, {}) for each in unless_ended):
            return None
        membership: Membership | None = rows.get(Membership, {}).get((user_id, organization_id))
        user: User | None = rows.get(User, {}).get((user_id,))
        if membership is None or user is None or user.disabled_at is not None:
            return None
        organization: Organization = rows[Organization][organization_id,]
        subjects: set[tuple[Subject, str | None]] = {
            (Subject.USER, user_id),
            (Subject.TEAM, membership.team_id),
            (Subject.ORGANIZATION, organization_id),
        }
        limits, budgets = self._consumption(organization_id, subjects)
        return Member(
            user_id=user_id,
            organization_id=organization_id,
            role=membership.role,
            token_version=user.token_version,
            limits=limits,
            budgets=budgets,
            team_id=membership.team_id,
            version=membership.version,
            organization_version=organization.version,
            in_platform=organization.platform,
            tier=organization.tier,
            price_version=self._price_version(),
        )

    async def price_table(self, version: int) -> PriceTable | None:
        return self._store.rows.get(PriceTable, {}).get((version,))

    def _price_version(self) -> int:
        now = self._store.clock.now()
        tables: Iterable[PriceTable] = self._store.rows.get(PriceTable, {}).values()
        return max((each.version for each in tables if each.effective_at <= now), default=0)

    def _consumption(
        self, organization_id: str, subjects: set[tuple[Subject, str | None]]
    ) -> tuple[tuple[Limit, ...], tuple[Budget, ...]]:
        def about(record: LimitRecord | BudgetRecord) -> bool:
            subject = (record.subject_type, record.subject_id)
            return record.organization_id == organization_id and subject in subjects

        limits: Iterable[LimitRecord] = self._store.rows.get(LimitRecord, {}).values()
        budgets: Iterable[BudgetRecord] = self._store.rows.get(BudgetRecord, {}).values()
        return (
            tuple(record.limit() for record in limits if about(record)),
            tuple(record.budget() for record in budgets if about(record)),
        )


class MemoryAnnouncements:
    """Announcements over the rows of a MemoryStore."""

    def __init__(self, store: "MemoryStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def revocations_since(
        self, moment: datetime, after: Revocation | None, size: int
    ) -> tuple[Sequence[Revocation], datetime]:
        known: Iterable[Revocation] = self._store.rows.get(Revocation, {}).values()
        wanted = [
            one
            for one in known
            if one.announced_at > moment and (after is None or one.place > after.place)
        ]
        return sorted(wanted, key=lambda one: one.place)[:size], self._clock.now()

    async def undelivered(self, size: int) -> Sequence[OutboxEvent]:
        waiting = self._store.rows.get(OutboxEvent, {})
        return [waiting[key] for key in sorted(waiting)[:size]]

    async def delivered(self, event_ids: Sequence[str]) -> None:
        for event_id in event_ids:
            self._store.rows.get(OutboxEvent, {}).pop((event_id,), None)


class MemorySigningKeys:
    """SigningKeys in memory."""

    def __init__(self) -> None:
        self.keys: list[SealedSigningKey] = []

    async def all(self) -> list[SealedSigningKey]:
        return sorted(self.keys, key=lambda key: (key.activates_at, key.kid))

    async def add(
        self, key: SealedSigningKey, *, known: Collection[str], others_retire_at: datetime
    ) -> bool:
        keys = self.keys
        if {other.kid for other in keys} != set(known):
            return False
        for index, other in enumerate(keys):
            retires_at = min(other.retires_at or others_retire_at, others_retire_at)
            keys[index] = replace(other, retires_at=retires_at)
        keys.append(key)
        return True

    async def delete(self, kids: Collection[str]) -> None:
        kept = [key for key in self.keys if key.kid not in kids]
        self.keys = kept


class MemoryStore:
    """A Store whose rows are gone with the process; one transaction runs at a time."""

    def __init__(self, clock: Clock) -> None:
        self.rows: Rows = {}
        self.principals = MemoryPrincipals(self)
        self.announcements = MemoryAnnouncements(self, clock)
        self.signing_keys = MemorySigningKeys()
        self.key_uses = MemoryKeyUses(self.begin, clock)
        self.clock = clock
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryTransaction]:
        async with self._lock:
            before = {kind: dict(rows) for kind, rows in self.rows.items()}
            try:
                yield MemoryTransaction(self.rows, self.clock)
            except BaseException:
                self.rows.clear()
                self.rows.update(before)
                raise


class MemoryRevocationAnnouncer:
    """Remembers what was announced, and where."""

    def __init__(self) -> None:
        self.announced: list[tuple[str, str]] = []

    async def announce(self, organization_id: str, revocation_ids: Iterable[str]) -> None:
        self.announced += [(organization_id, each) for each in revocation_ids]
