"""Migrations of schema `audit`: raced, reversed, refused when newer, equal to what is written."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_audit.adapters.postgres import MIGRATIONS, SCHEMA
from headrace_audit.adapters.rows import COLUMNS
from headrace_common.errors import HeadraceError, Reason
from headrace_common.postgres import create_engine, migrate


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


async def test_migrations_can_be_taken_back(postgres_url: str, engine: AsyncEngine) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)

    def downgrade(connection: Connection) -> list[str]:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        config.attributes["schema"] = SCHEMA
        command.downgrade(config, "base")
        return inspect(connection).get_table_names(schema=SCHEMA)

    async with engine.begin() as connection:
        assert await connection.run_sync(downgrade) == ["alembic_version"]
    await migrate(postgres_url, MIGRATIONS, SCHEMA)


async def test_a_newer_schema_is_refused(postgres_url: str, engine: AsyncEngine) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE audit.alembic_version SET version_num = '9999'"))
    with pytest.raises(HeadraceError, match="newer than this release knows") as caught:
        await migrate(postgres_url, MIGRATIONS, SCHEMA)
    assert caught.value.reason is Reason.NOT_SERVING
