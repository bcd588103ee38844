"""Schemas of PostgreSQL that services own: brought up to date, or waited for."""

import asyncio
import signal
import time
import zlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_common.postgres import (
    FAILURES,
    create_engine,
    driver_error,
    pause_seconds,
    translate_database_errors,
    wait_for_database,
)
from headrace_common.runtime import Runtime
from headrace_common.settings import DatabaseSettings

MIGRATION_SECONDS = 600.0


async def open_database(
    runtime: Runtime, settings: DatabaseSettings, scripts: Path, schema: str
) -> AsyncEngine:
    """An engine, which ends with the runtime, on a database whose `schema` is current.

    It is brought up to date, unless the settings say that somebody else does so: then this waits
    until it is.
    """
    url, seconds = settings.database_url.get_secret_value(), settings.database_wait_seconds
    if settings.migrate_on_start:
        await wait_for_database(url, seconds=seconds)
        await migrate(url, scripts, schema, seconds=settings.migration_seconds)
    else:
        await wait_for_schema(url, scripts, schema, seconds=seconds)
    engine = create_engine(
        url, pool_size=settings.pool_size, statement_seconds=settings.database_timeout_seconds
    )
    runtime.on_stop("database", engine.dispose)
    return engine


async def migrate(
    url: str, scripts: Path, schema: str, *, seconds: float = MIGRATION_SECONDS
) -> None:
    """Bring `schema` to the newest revision in `scripts`; safe when several processes start it.

    An advisory lock lets one process migrate while the others wait. Raises HeadraceError with
    NOT_SERVING if it takes longer than `seconds`, or if the database is at a revision that this
    code does not know, for then an older release would write into a newer schema.
    """
    engine = create_async_engine(
        url, pool_size=1, connect_args={"timeout": 5.0}, hide_parameters=True
    )
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline, engine.begin() as connection:
            key = zlib.crc32(schema.encode())
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            await connection.run_sync(_upgrade, scripts, schema)
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise HeadraceError(
            Reason.NOT_SERVING,
            f"schema {schema} was not brought up to date within {seconds:g} s;"
            " nothing of it was changed",
        ) from error
    finally:
        await engine.dispose()


async def wait_for_schema(url: str, scripts: Path, schema: str, *, seconds: float) -> None:
    """Return once somebody else has brought `schema` to the newest revision in `scripts`.

    Raises HeadraceError: DEPENDENCY_UNAVAILABLE if the database does not answer within `seconds`,
    NOT_SERVING if the schema is older even then, or newer than this code.
    """
    until = time.monotonic() + seconds
    await wait_for_database(url, seconds=seconds)
    directory, log = _directory(scripts), get_logger()
    head, engine = directory.get_current_head(), create_engine(url, pool_size=1)
    attempt = 0
    try:
        while (found := await _look(engine, directory, schema)) != head:
            if time.monotonic() > until:
                raise HeadraceError(
                    Reason.NOT_SERVING,
                    f"after {seconds:g} s schema {schema} is at revision {found or 'none'} and not"
                    f" at {head}, to which its migration brings it",
                )
            attempt += 1
            log.warning("waiting_for_schema", component=schema, revision=found, attempt=attempt)
            await asyncio.sleep(pause_seconds(attempt))
    finally:
        await engine.dispose()


def run_migration(settings: DatabaseSettings, scripts: Path, schema: str) -> None:
    """Bring `schema` up to date; one line and exit code 1 if that fails."""
    try:
        asyncio.run(_migrate_once(settings, scripts, schema))
    except HeadraceError as error:
        raise SystemExit(f"cannot migrate schema {schema}: {error.message}") from error
    except FAILURES as error:
        cause = driver_error(error)  # whose text may quote rows
        why = " ".join(filter(None, (type(cause).__name__, getattr(cause, "sqlstate", None))))
        raise SystemExit(f"cannot migrate schema {schema}: the database fails: {why}") from error
    except asyncio.CancelledError as error:
        raise SystemExit(f"cannot migrate schema {schema}: told to stop") from error


async def _migrate_once(settings: DatabaseSettings, scripts: Path, schema: str) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this runs in one
    # The first process of a container is not ended by a signal that it does not handle.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    url = settings.database_url.get_secret_value()
    await wait_for_database(url, seconds=settings.database_wait_seconds)
    await migrate(url, scripts, schema, seconds=settings.migration_seconds)
    head = _directory(scripts).get_current_head()
    get_logger().info("schema_is_current", component=schema, revision=str(head))


async def _look(engine: AsyncEngine, directory: ScriptDirectory, schema: str) -> str | None:
    """The schema's revision; None while there is none or the database does not answer."""
    try:
        with translate_database_errors():
            async with engine.connect() as connection:
                found = await connection.run_sync(_revision, schema)
    except HeadraceError:
        return None
    _check_known(found, directory, schema)
    return found


def _upgrade(connection: Connection, scripts: Path, schema: str) -> None:
    directory, current = _directory(scripts), _revision(connection, schema)
    _check_known(current, directory, schema)
    head = directory.get_current_head()
    if current != head:
        get_logger().info("migrating", component=schema, revision=str(head))
        config = _config(scripts)
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, "head")


def _revision(connection: Connection, schema: str) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": schema})
    return context.get_current_revision()


def _check_known(revision: str | None, directory: ScriptDirectory, schema: str) -> None:
    known = {script.revision for script in directory.walk_revisions()}
    if revision is not None and revision not in known:
        raise HeadraceError(
            Reason.NOT_SERVING,
            f"schema {schema} is at revision {revision}, which is newer than this release knows",
        )


def _directory(scripts: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(scripts))


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    return config
