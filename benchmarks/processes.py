"""What groups of processes use, and programs started for the length of a block."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

Groups = Mapping[str, Sequence[psutil.Process]]
"""Processes by the part of a contestant that they make up, for example `gateway`."""

ROOT = Path(__file__).parents[1]
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
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[psutil.Process]:
    """The program in the repository's root, its output in `log`, ended at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the benchmark's own command lines
            command, env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _each(
    members: Sequence[psutil.Process], read: Callable[[psutil.Process], Any]
) -> Iterator[Any]:
    for process in members:
        with suppress(psutil.NoSuchProcess):
            yield read(process)
