"""Revocations and outbox events, as they are read and forgotten."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, tuple_

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.records import TableOf
from headrace_auth.adapters.postgres.tables import outbox_events, revocations
from headrace_auth.domain.announcements import OutboxEvent, Revocation


class PostgresAnnouncements:
    """Announcements over tables `revocations` and `outbox_events`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revocations = TableOf(Revocation, revocations)
        self._events = TableOf(OutboxEvent, outbox_events)

    async def revocations_since(
        self, moment: datetime, after: Revocation | None, size: int
    ) -> tuple[Sequence[Revocation], datetime]:
        columns = revocations.c
        place = (columns.announced_at, columns.organization_id, columns.revocation_id)
        query = select(*self._revocations.columns()).where(columns.announced_at > moment)
        if after is not None:
            begin = tuple_(*after.place, types=[column.type for column in place])
            query = query.where(tuple_(*place) > begin)
        query = query.order_by(*place).limit(size)
        clock = select(func.clock_timestamp())
        async with self._database.reading() as connection:
            # The clock first: what is written between the two is found the next time.
            now: datetime = (await connection.execute(clock)).scalar_one()
            rows = await connection.execute(query)
        return [self._revocations.record(row) for row in rows], now

    async def undelivered(self, size: int) -> Sequence[OutboxEvent]:
        query = select(*self._events.columns()).order_by(outbox_events.c.event_id).limit(size)
        async with self._database.reading() as connection:
            return [self._events.record(row) for row in await connection.execute(query)]

    async def delivered(self, event_ids: Sequence[str]) -> None:
        forget = delete(outbox_events).where(outbox_events.c.event_id.in_(event_ids))
        async with self._database.writing() as connection:
            await connection.execute(forget)
