"""Schemas that a command brings up to date, and services that wait for it: processes of both."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.service_process import (
    SETTINGS,
    hold_migrations,
    output_until,
    service_process,
    until_migrations_wait,
)

from headrace_common.postgres import create_engine

WAITING = '"waiting_for_schema"'


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


async def _migrate(service: str, **settings: str) -> tuple[int | None, str]:
    """Exit code and output of the command, which is told nothing but these settings."""
    async with service_process(service, "migrate", settings) as process, asyncio.timeout(60):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def _revision(engine: AsyncEngine, service: str) -> str:
    async with engine.connect() as connection:
        found = await connection.scalar(text(f"SELECT version_num FROM {service}.alembic_version"))
    return str(found)


@pytest.mark.parametrize("service", SETTINGS)
async def test_the_command_needs_the_database_alone_and_can_be_repeated(
    service: str, postgres_url: str, engine: AsyncEngine
) -> None:
    first = await _migrate(service, DATABASE_URL=postgres_url)
    again = await _migrate(service, DATABASE_URL=postgres_url)
    assert (first[0], again[0]) == (0, 0)
    assert '"migrating"' in first[1]
    assert '"migrating"' not in again[1]
    last = json.loads(again[1].splitlines()[-1])
    assert (last["event"], last["component"]) == ("schema_is_current", service)
    assert last["revision"] == await _revision(engine, service)


@pytest.mark.parametrize("service", SETTINGS)
async def test_a_service_waits_for_the_schema_and_serves_once_the_command_has_run(
    service: str, postgres_url: str, engine: AsyncEngine
) -> None:
    settings = {"DATABASE_URL": postgres_url, "MIGRATE_ON_START": "false", **SETTINGS[service]}
    async with service_process(service, "", settings) as process:
        assert WAITING in await output_until(process, WAITING)
        assert (await _migrate(service, DATABASE_URL=postgres_url))[0] == 0
        output = await output_until(process, '"ready"')
        assert '"migrating"' not in output
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0


@pytest.mark.parametrize("service", SETTINGS)
async def test_a_service_gives_up_on_a_schema_that_stays_older(
    service: str, postgres_url: str, engine: AsyncEngine
) -> None:
    assert (await _migrate(service, DATABASE_URL=postgres_url))[0] == 0
    head = await _revision(engine, service)
    async with engine.begin() as connection:
        old = text(f"UPDATE {service}.alembic_version SET version_num = '0001'")
        await connection.execute(old)
    settings = {
        "DATABASE_URL": postgres_url,
        "MIGRATE_ON_START": "false",
        "DATABASE_WAIT_SECONDS": "1",
        **SETTINGS[service],
    }
    async with service_process(service, "", settings) as process, asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 1
    said = f"after 1 s schema {service} is at revision 0001 and not at {head}"
    assert said in output.decode()
    assert '"ready"' not in output.decode()
    assert await _revision(engine, service) == "0001"


@pytest.mark.parametrize("service", SETTINGS)
async def test_the_command_refuses_a_newer_schema_in_one_line(
    service: str, postgres_url: str, engine: AsyncEngine
) -> None:
    await _migrate(service, DATABASE_URL=postgres_url)
    async with engine.begin() as connection:
        new = text(f"UPDATE {service}.alembic_version SET version_num = '9999'")
        await connection.execute(new)
    code, output = await _migrate(service, DATABASE_URL=postgres_url)
    assert code == 1
    assert output.splitlines() == [
        f"cannot migrate schema {service}: schema {service} is at revision 9999,"
        " which is newer than this release knows"
    ]


async def test_a_migration_that_takes_too_long_ends_in_one_line(
    postgres_url: str, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await hold_migrations(connection, "audit")
        code, output = await _migrate("audit", DATABASE_URL=postgres_url, MIGRATION_SECONDS="1")
    assert code == 1
    assert output.splitlines() == [
        "cannot migrate schema audit: schema audit was not brought up to date within 1 s;"
        " nothing of it was changed"
    ]


async def test_a_migration_ends_when_it_is_told_to(postgres_url: str, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await hold_migrations(connection, "audit")
        settings = {"DATABASE_URL": postgres_url}
        async with service_process("audit", "migrate", settings) as process:
            await until_migrations_wait(connection, "audit", 1)
            process.terminate()
            async with asyncio.timeout(60):
                output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode().splitlines() == ["cannot migrate schema audit: told to stop"]


async def test_what_the_database_refuses_is_one_line_without_its_text(
    postgres_url: str, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA audit"))
        await connection.execute(text("CREATE TABLE audit.events (canary int)"))
    code, output = await _migrate("audit", DATABASE_URL=postgres_url)
    assert code == 1
    assert output.splitlines()[-1] == (
        "cannot migrate schema audit: the database fails: DuplicateTableError 42P07"
    )
    assert "Traceback" not in output
