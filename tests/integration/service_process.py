"""Processes of auth and audit, started with nothing but what a test tells them."""

import asyncio
import base64
import os
import sys
import zlib
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "auth": {
        "GRPC_ADDRESS": "127.0.0.1:0",
        "METRICS_ADDRESS": "127.0.0.1:0",
        "REDIS_URL": "unix:///unused",
        "AUDIT_TARGET": "127.0.0.1:1",
        "KEY_ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode(),
    },
    "audit": {"GRPC_ADDRESS": "127.0.0.1:0", "METRICS_ADDRESS": "127.0.0.1:0"},
}
"""What a service needs to start, but for its database; by service."""
_WAITING = text(
    "SELECT count(*) FROM pg_locks"
    " WHERE locktype = 'advisory' AND NOT granted AND objid::bigint = :key"
)


@asynccontextmanager
async def service_process(
    service: str, module: str, settings: Mapping[str, str]
) -> AsyncIterator[Process]:
    """The service, or a module of it; killed at the end unless it has ended by then."""
    name = f"headrace_{service}.{module}" if module else f"headrace_{service}"
    own = {f"HEADRACE_{service.upper()}_{key}": value for key, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", name), env={**os.environ, **own}, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def output_until(process: Process, mark: str) -> str:
    """What it printed up to the mark."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readuntil(mark.encode())).decode()


async def hold_migrations(connection: AsyncConnection, schema: str) -> None:
    """Keep all others from a schema until the connection's transaction ends."""
    take = text("SELECT pg_advisory_xact_lock(:key)")
    await connection.execute(take, {"key": _lock_of(schema)})


async def until_migrations_wait(connection: AsyncConnection, schema: str, count: int) -> None:
    """Return once so many processes wait to migrate a schema, which somebody holds."""
    async with asyncio.timeout(60):
        while await connection.scalar(_WAITING, {"key": _lock_of(schema)}) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _lock_of(schema: str) -> int:
    """As `headrace_common.migrations` calls its lock."""
    return zlib.crc32(schema.encode())
