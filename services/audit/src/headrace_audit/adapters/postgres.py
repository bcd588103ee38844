"""An EventStore in PostgreSQL: COPY into a temporary table, then insert what is not there yet."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_audit.adapters.rows import COLUMNS, to_row
from headrace_audit.domain.events import Event
from headrace_common.postgres import translate_database_errors

SCHEMA = "audit"
MIGRATIONS = Path(__file__).parent / "migrations"

# Once per connection, not per batch: each new table would leave dead rows in the system catalogue.
CREATE_INCOMING = f"""
    CREATE TEMPORARY TABLE IF NOT EXISTS incoming_events (LIKE {SCHEMA}.events)
    ON COMMIT DELETE ROWS
"""

# Sorted, so that two batches with the same events wait for each other instead of deadlocking; of
# two events with one id the first stays, which is what its producer has settled by.
INSERT_NEW = f"""
    INSERT INTO {SCHEMA}.events ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS)} FROM pg_temp.incoming_events ORDER BY event_id, ctid
    ON CONFLICT (event_id) DO NOTHING
"""  # noqa: S608 - constants only


class PostgresEventStore:
    """One row per event in `audit.events`; one transaction per batch."""

    def __init__(self, engine: AsyncEngine, *, timeout_seconds: float) -> None:
        self._engine = engine
        self._timeout_seconds = timeout_seconds

    async def add(self, events: Sequence[Event], received_at: datetime) -> int:
        rows = [to_row(event, received_at) for event in events]
        with translate_database_errors():
            async with asyncio.timeout(self._timeout_seconds), self._engine.connect() as connection:
                pooled = await connection.get_raw_connection()
                return await _insert(pooled.driver_connection, rows)

    async def close(self) -> None:
        await self._engine.dispose()


async def _insert(connection: Any, rows: list[tuple[Any, ...]]) -> int:
    """`connection` is asyncpg's own, for SQLAlchemy offers no COPY."""
    async with connection.transaction():
        await connection.execute(CREATE_INCOMING)
        await connection.copy_records_to_table("incoming_events", records=rows, columns=COLUMNS)
        status: str = await connection.execute(INSERT_NEW)
    return int(status.removeprefix("INSERT 0 "))
