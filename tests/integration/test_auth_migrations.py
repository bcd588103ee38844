"""Migrations of schema `auth`: raced, reversed, compared with the tables that the code uses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headrace_auth.adapters.postgres.store import MIGRATIONS
from headrace_auth.adapters.postgres.tables import SCHEMA, metadata
from headrace_common.errors import HeadraceError, Reason
from headrace_common.migrations import migrate


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres_url)
    yield engine
    await engine.dispose()


async def _prepare(url: str) -> None:
    await migrate(url, MIGRATIONS, SCHEMA)


async def test_five_starters_at_once_migrate_a_fresh_database(
    postgres_url: str, engine: AsyncEngine
) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*(_prepare(postgres_url) for _ in range(5)))
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda c: inspect(c).get_table_names(schema=SCHEMA))
        versions = await connection.exec_driver_sql("SELECT version_num FROM auth.alembic_version")
        assert versions.scalars().all() == ["0003"]
    assert set(names) == {table.name for table in metadata.tables.values()} | {"alembic_version"}


async def test_the_tables_are_what_the_code_expects(postgres_url: str, engine: AsyncEngine) -> None:
    await _prepare(postgres_url)

    def differences(connection: Connection) -> list[Any]:
        def only_ours(name: str | None, kind: str, _: Any) -> bool:
            return kind != "schema" or name == SCHEMA

        options = {
            "include_schemas": True,
            "include_name": only_ours,
            "version_table_schema": SCHEMA,
            "compare_type": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_down_and_up_again(postgres_url: str, engine: AsyncEngine) -> None:
    await _prepare(postgres_url)

    def down(connection: Connection) -> list[str]:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes.update(connection=connection, schema=SCHEMA)
        command.downgrade(config, "base")
        return inspect(connection).get_table_names(schema=SCHEMA)

    async with engine.begin() as connection:
        assert await connection.run_sync(down) == ["alembic_version"]
    await _prepare(postgres_url)
    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM auth.users")).scalar() == 0


async def test_a_newer_schema_is_refused(postgres_url: str, engine: AsyncEngine) -> None:
    await _prepare(postgres_url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE auth.alembic_version SET version_num = '9999'")
    with pytest.raises(HeadraceError) as caught:
        await _prepare(postgres_url)
    assert caught.value.reason is Reason.NOT_SERVING
