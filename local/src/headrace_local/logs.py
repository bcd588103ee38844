"""Reads the components' log files: their ends, and what is appended to them."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Enough for a traceback; the log itself may have grown to gigabytes.
TAIL_BYTES = 256 * 1024


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log with their line ends, at most `count`; none if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines(keepends=True)[-count:]


def follow(log: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """What is appended to a log from now on, for ever."""
    with log.open("r", errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while True:
            text = file.read()
            if text:
                yield text
            else:
                sleep(0.1)


def keep_previous(log: Path) -> None:
    """Let a new run begin a new log; one earlier log is kept beside it."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
