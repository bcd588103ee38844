"""What is looked at before anything is started: the port and the disk."""

import errno
import random
import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from headrace_local.errors import LocalStackError

GIBIBYTE = 1024**3
# The model before and after its conversion, a fresh database and a day of logs, twice over.
MINIMUM_FREE_BYTES = GIBIBYTE
# Below Linux's range for outgoing connections, so that none of them takes a chosen port.
SERVICE_PORTS = range(15000, 32000)

UNKNOWN_PROGRAM = "another program"

FreeBytes = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """How much the file system of `path` can still take."""
    return shutil.disk_usage(path).free


def check_disk(path: Path, probe: FreeBytes = free_bytes) -> None:
    """Refuse to start where the data would not fit.

    Raises:
        LocalStackError: less than `MINIMUM_FREE_BYTES` are free.
    """
    free = probe(path)
    if free < MINIMUM_FREE_BYTES:
        raise LocalStackError(
            f"Headrace needs {MINIMUM_FREE_BYTES / GIBIBYTE:.0f} GiB of free disk space for {path},"
            f" and there are {free / GIBIBYTE:.1f} GiB; free some and run it again."
        )


def check_port(host: str, port: int) -> None:
    """Refuse to start on a port that somebody else listens on.

    Raises:
        LocalStackError: it is in use, or may not be used.
    """
    try:
        _bind(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            another = port + 1000 if port < 64000 else 9443
            raise LocalStackError(
                f"Port {port} is in use by {_listener(port)};"
                f" stop it or run `make up PORT={another}`."
            ) from error
        raise LocalStackError(
            f"Cannot listen on {host} port {port}: {error.strerror}; choose other ones."
        ) from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    return free_ports(["port"], host)["port"]


def free_ports(names: Iterable[str], host: str = "127.0.0.1") -> dict[str, int]:
    """A free port for each name, all different.

    Raises:
        LocalStackError: there are not enough.
    """
    ports: dict[str, int] = {}
    candidates = iter(random.sample(SERVICE_PORTS, k=len(SERVICE_PORTS)))
    for name in names:
        port = next((port for port in candidates if _is_free(host, port)), None)
        if port is None:
            raise LocalStackError(
                f"All ports from {SERVICE_PORTS[0]} to {SERVICE_PORTS[-1]} are in use."
            )
        ports[name] = port
    return ports


def _is_free(host: str, port: int) -> bool:
    try:
        _bind(host, port)
    except OSError:
        return False
    return True


def _bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        # As servers do: connections of an earlier run that linger do not count.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        candidate.bind((host, port))
        candidate.listen(1)


def _listener(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and connection.laddr[1:] == (port,):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return UNKNOWN_PROGRAM
    return UNKNOWN_PROGRAM
