"""Migrations by service processes: five that start at once, and one that meets a newer schema."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

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

STARTERS = 5
READY = '"ready"'


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


def _starting(service: str, database_url: str) -> AbstractAsyncContextManager[Process]:
    return service_process(service, "", {"DATABASE_URL": database_url, **SETTINGS[service]})


@pytest.mark.parametrize("service", SETTINGS)
async def test_five_processes_at_once_migrate_an_empty_database_once(
    service: str, postgres_url: str, engine: AsyncEngine
) -> None:
    async with AsyncExitStack() as stack:
        async with engine.begin() as gate:
            # Held until all five are at the same place, so that they really race.
            await hold_migrations(gate, service)
            starters = [
                await stack.enter_async_context(_starting(service, postgres_url))
                for _ in range(STARTERS)
            ]
            await until_migrations_wait(gate, service, STARTERS)
        outputs = await asyncio.gather(*(output_until(process, READY) for process in starters))
        for process in starters:
            process.terminate()
        async with asyncio.timeout(30):
            codes = [await process.wait() for process in starters]
    assert codes == [0] * STARTERS
    assert sum('"migrating"' in output for output in outputs) == 1
    async with engine.connect() as connection:
        versions = await connection.execute(text(f"SELECT * FROM {service}.alembic_version"))
        assert len(versions.all()) == 1


@pytest.mark.parametrize("service", SETTINGS)
async def test_a_process_refuses_a_newer_schema_and_leaves_it_alone(
    service: str, postgres_url: str, engine: AsyncEngine
) -> None:
    version = f"SELECT version_num FROM {service}.alembic_version"
    async with _starting(service, postgres_url) as process:
        await output_until(process, READY)
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE {service}.alembic_version SET version_num = '9999'"))
    async with _starting(service, postgres_url) as process, asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 1
    assert (
        f"schema {service} is at revision 9999, which is newer than this release knows"
        in output.decode()
    )
    assert b'"ready"' not in output
    async with engine.connect() as connection:
        assert await connection.scalar(text(version)) == "9999"
