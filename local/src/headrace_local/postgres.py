"""PostgreSQL as a child process that listens on a Unix socket only."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace_local import probes
from headrace_local.directories import runtime_directory
from headrace_local.postgres_server import DATABASE, SUPERUSER, binaries
from headrace_local.temporary import serving

THROW_AWAY_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def url(sockets: Path, database: str = DATABASE) -> str:
    """The SQLAlchemy URL of a database, for the asyncpg driver."""
    return f"postgresql+asyncpg://{DATABASE}@/{database}?host={sockets}"


def command(data: Path, sockets: Path, *settings: str) -> tuple[str, ...]:
    """The command line of a server with its cluster in `data` and its socket in `sockets`.

    `settings` are PostgreSQL parameters, as in `fsync=off`.
    """
    program = "headrace_local.postgres_server"
    return (sys.executable, "-m", program, str(data), str(sockets), *settings)


def execute(sockets: Path, statement: str, database: str = "postgres") -> None:
    """Run one SQL statement as the superuser; what it returns goes to standard output.

    Raises:
        subprocess.CalledProcessError: the server refused it.
    """
    subprocess.run(
        [
            *(binaries() / "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"),
            *("--host", sockets, "--username", SUPERUSER),
            *("--dbname", database, "--pset", "pager=off", "--command", statement),
        ],
        check=True,
        timeout=60,
    )


@contextmanager
def temporary_postgres() -> Iterator[Path]:
    """A server with an empty database in a directory that vanishes; yields its socket directory."""
    with runtime_directory() as directory:
        sockets = directory / "sockets"
        with serving(
            command(directory / "data", sockets, *THROW_AWAY_SETTINGS),
            log=directory / "postgres.log",
            probe=probes.postgres(sockets),
            stop_signal=signal.SIGINT,
        ):
            yield sockets


@contextmanager
def temporary_database(sockets: Path, name: str, template: str = "template1") -> Iterator[str]:
    """A database on a running server, dropped at the end; yields its SQLAlchemy URL.

    It begins as a copy of the database `template`, to which nobody may be connected; by default
    it is empty.
    """
    execute(sockets, f'CREATE DATABASE "{name}" OWNER {DATABASE} TEMPLATE "{template}"')
    try:
        yield url(sockets, name)
    finally:
        execute(sockets, f'DROP DATABASE "{name}" WITH (FORCE)')
