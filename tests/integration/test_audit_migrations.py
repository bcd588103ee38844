"""Migrations of schema `audit`: raced, reversed, refused when newer, equal to what is written."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from headrace_audit.adapters.postgres import (
    CREATE_INCOMING,
    MIGRATIONS,
    SCHEMA,
    PostgresEventStore,
)
from headrace_audit.adapters.rows import (
    ACTOR_COLUMNS,
    COLUMNS,
    EVENT_COLUMNS,
    MODEL_COLUMNS,
    to_row,
)
from headrace_audit.domain.events import Event
from headrace_audit.testing import NOW, completion, failed_login, membership_update
from headrace_common.errors import HeadraceError, Reason
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


async def test_five_starters_at_once_migrate_a_fresh_database(
    postgres_url: str, engine: AsyncEngine
) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*(migrate(postgres_url, MIGRATIONS, SCHEMA) for _ in range(5)))
    async with engine.connect() as connection:
        columns = await connection.run_sync(
            lambda c: {column["name"] for column in inspect(c).get_columns("events", schema=SCHEMA)}
        )
    assert columns == set(COLUMNS)


async def _go_back(engine: AsyncEngine, revision: str) -> None:
    def downgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        config.attributes["schema"] = SCHEMA
        command.downgrade(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(downgrade)


async def test_migrations_can_be_taken_back(postgres_url: str, engine: AsyncEngine) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    await _go_back(engine, "base")
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda c: inspect(c).get_table_names(schema=SCHEMA))
    assert tables == ["alembic_version"]
    await migrate(postgres_url, MIGRATIONS, SCHEMA)


async def _add_as_first_release(connection: AsyncConnection, event: Event) -> None:
    """What a process that knows revision 0001 does, on a connection of its own."""
    known = EVENT_COLUMNS + ACTOR_COLUMNS + MODEL_COLUMNS
    names = ", ".join(known)
    raw: Any = (await connection.get_raw_connection()).driver_connection
    async with raw.transaction():
        await raw.execute(CREATE_INCOMING)
        row = to_row(event, NOW)[: len(known)]
        await raw.copy_records_to_table("incoming_events", records=[row], columns=known)
        await raw.execute(
            f"INSERT INTO audit.events ({names}) SELECT {names} FROM pg_temp.incoming_events"
        )


async def _changes(engine: AsyncEngine) -> dict[Any, Any]:
    async with engine.connect() as connection:
        query = text("SELECT event_id, change_before, change_after FROM audit.events")
        return {row[0]: (row[1], row[2]) for row in await connection.execute(query)}


async def test_a_process_of_the_release_before_adds_events_before_and_after_the_migration(
    postgres_url: str, engine: AsyncEngine
) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    await _go_back(engine, "0001")
    earlier, later, change = completion(), failed_login(), membership_update()
    async with engine.connect() as connection:
        await _add_as_first_release(connection, earlier)
        await migrate(postgres_url, MIGRATIONS, SCHEMA)
        await PostgresEventStore(engine, timeout_seconds=10).add([change, earlier], NOW)
        await _add_as_first_release(connection, later)
    assert await _changes(engine) == {
        earlier.event_id: (None, None),
        later.event_id: (None, None),
        change.event_id: ({"role": "member"}, {"role": "admin"}),
    }


async def test_going_back_from_changes_keeps_every_event(
    postgres_url: str, engine: AsyncEngine
) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    events = [completion(), membership_update()]
    await PostgresEventStore(engine, timeout_seconds=10).add(events, NOW)
    await _go_back(engine, "0001")
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    assert await _changes(engine) == {event.event_id: (None, None) for event in events}


async def test_a_newer_schema_is_refused(postgres_url: str, engine: AsyncEngine) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE audit.alembic_version SET version_num = '9999'"))
    with pytest.raises(HeadraceError, match="newer than this release knows") as caught:
        await migrate(postgres_url, MIGRATIONS, SCHEMA)
    assert caught.value.reason is Reason.NOT_SERVING
