"""What contestants need beyond this repository: installed once, below the user's cache."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import ContestantError

INSTALL_SECONDS = 900.0


def folder(name: str) -> Path:
    """Where a contestant is installed; outside the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "headrace/benchmarks" / name


def run(command: Sequence[str], cwd: Path | None = None) -> None:
    """Run one step of an installation; raises ContestantError with its last words."""
    try:
        subprocess.run(  # noqa: S603 - the command lines of the contestants
            command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS, cwd=cwd
        )
    except FileNotFoundError as error:
        raise ContestantError(f"cannot be installed: there is no {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise ContestantError(f"not installed within {INSTALL_SECONDS:.0f} s") from error
    except subprocess.CalledProcessError as error:
        said = str(error.stderr).strip().splitlines() or ["no reason given"]
        raise ContestantError(f"cannot be installed: {said[-1]}") from error
