"""Records a running Python process with py-spy."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import ContestantError

RATE = 200
"""Samples per second."""
MARGIN_SECONDS = 30.0


@contextmanager
def recording(pid: int, seconds: int, output: Path) -> Iterator[None]:
    """Record for so long beside the block; collapsed stacks are in `output` after it.

    py-spy needs root or the ptrace capability. Raises ContestantError.
    """
    command = (
        *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid)),
        *("--duration", str(seconds), "--rate", str(RATE)),
        *("--format", "raw", "--full-filenames", "--function", "--output", str(output)),
    )
    try:
        process = subprocess.Popen(  # noqa: S603 - the command line above
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        raise ContestantError("py-spy is not installed; see requirements-dev.txt") from error
    with process:
        try:
            yield
            said, _ = process.communicate(timeout=seconds + MARGIN_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ContestantError("py-spy did not end") from error
        finally:
            process.kill()
    if process.returncode:
        last = (said.strip().splitlines() or ["it failed"])[-1]
        raise ContestantError(f"py-spy: {last} (does it run as root?)")
