"""Starts a contestant's HTTP server on a free port and waits until it listens."""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.processes import ContestantError, running

POLL_SECONDS = 0.1


@contextmanager
def listening(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    deadline_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[psutil.Process]:
    """The server's process, which takes connections; raises ContestantError with its last words."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with running(command, {**inherited, **(environment or {})}, log) as process:
        deadline = time.monotonic() + deadline_seconds
        while not _takes_connections(port):
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise ContestantError(f"it ended at its start: {_last_words(log)}")
            if time.monotonic() > deadline:
                raise ContestantError(f"it did not listen within {deadline_seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        yield process


def _takes_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
