"""What groups of processes use, and servers started for the length of a block."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
Groups = Mapping[str, Sequence[psutil.Process]]
"""Processes by the part of a contestant that they make up, for example `gateway`."""

ROOT = Path(__file__).parents[1]
INHERITED = ("PATH", "HOME", "LANG")
POLL_SECONDS = 0.1
REST_SECONDS = 0.3
REST_SHARE = 0.1
STOP_SECONDS = 10.0


class ContestantError(Exception):
    """A contestant could not be installed, started or asked; the message says why."""


def tree(process: psutil.Process) -> list[psutil.Process]:
    """The process and all that it started."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(groups: Groups) -> dict[str, float]:
    """User and system time so far, by group; ended children count as soon as they are reaped."""
    return {
        name: sum(_each(members, lambda process: sum(process.cpu_times()[:4])))
        for name, members in groups.items()
    }


def memory_bytes(groups: Groups) -> int:
    """Proportional set size of all groups: pages that processes share count once."""
    return sum(
        sum(_each(members, lambda process: int(process.memory_full_info().pss)))
        for members in groups.values()
    )


def until_at_rest(groups: Callable[[], Groups], deadline_seconds: float = 15.0) -> bool:
    """Wait until the groups use less than a tenth of a core; whether they came to that in time.

    Work that a request leaves behind, such as the delivery of its audit event, is its cost too.
    """
    deadline = time.monotonic() + deadline_seconds
    used = sum(cpu_seconds(groups()).values())
    while time.monotonic() < deadline:
        time.sleep(REST_SECONDS)
        before, used = used, sum(cpu_seconds(groups()).values())
        if used - before < REST_SHARE * REST_SECONDS:
            return True
    return False


@contextmanager
def listening(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    deadline_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[psutil.Process]:
    """A server that takes connections on `port`; raises ContestantError with its last words."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the contestants' command lines
            command, env={**inherited, **(environment or {})}, cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + deadline_seconds
        while not _takes_connections(port):
            if process.poll() is not None:
                raise ContestantError(f"it ended at its start: {_last_words(log)}")
            if time.monotonic() > deadline:
                raise ContestantError(f"it did not listen within {deadline_seconds:.0f} s")
            time.sleep(POLL_SECONDS)
        yield psutil.Process(process.pid)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _takes_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])


def _each(members: Sequence[psutil.Process], read: Callable[[psutil.Process], T]) -> Iterator[T]:
    for process in members:
        with suppress(psutil.NoSuchProcess):
            yield read(process)
