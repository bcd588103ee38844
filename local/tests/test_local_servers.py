"""PostgreSQL and Redis as the stack runs them: private, and with data that lasts."""

import asyncio
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from headrace_local import postgres, probes, redis
from headrace_local.components import Component
from headrace_local.directories import runtime_directory
from headrace_local.postgres import temporary_database, temporary_postgres
from headrace_local.redis import temporary_redis
from headrace_local.testing import Supervise


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A short directory: that of a test may be too deep for a Unix socket."""
    with runtime_directory() as directory:
        yield directory


async def query(socket_directory: Path, statement: str) -> object:
    connection = await asyncpg.connect(host=str(socket_directory), user="headrace")
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def ask_redis(socket: Path, *words: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(" ".join(words).encode() + b"\r\n")
    answer = await reader.readline()
    if answer.startswith(b"$"):
        answer = await reader.readline()
    writer.close()
    return answer.strip()


async def test_postgres_keeps_its_data_over_a_restart(
    tmp_path: Path, sockets: Path, supervise: Supervise
) -> None:
    directory = sockets / "postgres"
    component = Component(
        "postgres",
        postgres.command(tmp_path / "data", directory),
        layer=0,
        probe=probes.postgres(directory),
        stop_signal=signal.SIGINT,
    )
    first = supervise(component)
    await first.start()
    await query(directory, "CREATE TABLE kept AS SELECT 42 AS answer")
    await first.stop()
    await supervise(component).start()
    assert await query(directory, "SELECT answer FROM kept") == 42
    assert await query(directory, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_cluster_cut_short_is_made_again(
    tmp_path: Path, sockets: Path, supervise: Supervise
) -> None:
    (tmp_path / "data.unfinished").mkdir()
    (tmp_path / "data.unfinished" / "PG_VERSION").write_text("18")
    component = Component(
        "postgres",
        postgres.command(tmp_path / "data", sockets / "postgres"),
        layer=0,
        probe=probes.postgres(sockets / "postgres"),
        stop_signal=signal.SIGINT,
    )
    await supervise(component).start()
    assert not (tmp_path / "data.unfinished").exists()


async def test_redis_keeps_its_data_over_a_kill(
    tmp_path: Path, sockets: Path, supervise: Supervise
) -> None:
    socket = sockets / "redis.sock"
    component = Component(
        "redis", redis.command(tmp_path, socket), layer=0, probe=probes.redis(socket)
    )
    first = supervise(component)
    await first.start()
    assert await ask_redis(socket, "SET", "kept", "42") == b"+OK"
    await first.stop()
    await supervise(component).start()
    assert await ask_redis(socket, "GET", "kept") == b"42"
    assert await ask_redis(socket, "CONFIG", "GET", "port") == b"*2"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700


def test_temporary_databases_are_empty_and_apart() -> None:
    with temporary_postgres() as directory:
        with temporary_database(directory, "one") as url:
            assert url == f"postgresql+asyncpg://headrace@/one?host={directory}"
            postgres.execute(directory, "SELECT 1")
        with temporary_database(directory, "one"):
            pass
    assert not directory.exists()


def test_a_temporary_redis_answers_and_goes() -> None:
    with temporary_redis() as url:
        socket = Path(url.removeprefix("unix://").partition("?")[0])
        assert asyncio.run(ask_redis(socket, "PING")) == b"+PONG"
    assert not socket.exists()
