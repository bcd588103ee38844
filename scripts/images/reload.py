"""Runs a service from a copy of its code, and starts it anew when the copy changes.

The entry point of the Dockerfiles' stage `dev`: `skaffold dev` puts changed files into the copy,
which is in /tmp because a pod can write nowhere else.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

APPLICATION, COPY = Path("/opt/headrace/app"), Path("/tmp/headrace")  # noqa: S108 - the pod's own
LOOK_SECONDS = 0.5
STOP_SECONDS = 5.0

State = dict[str, int]


def state(folder: Path) -> State:
    """When each file was last changed."""
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*.py")}


def start(module: str) -> subprocess.Popen[bytes]:
    """A process of the copy's code."""
    environment = os.environ | {"PYTHONPATH": str(COPY)}
    return subprocess.Popen([sys.executable, "-m", module], env=environment)  # noqa: S603


def stop(process: subprocess.Popen[bytes]) -> None:
    """Without waiting for long streams, for whoever saves a file wants to see it run."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(module: str) -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Compiled files are left behind: they would hide what is changed here.
    shutil.copytree(
        APPLICATION, COPY, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    while True:
        seen, process = state(COPY), start(module)
        try:
            # One that has ended by itself is started anew when its fault is mended.
            while state(COPY) == seen:
                time.sleep(LOOK_SECONDS)
        finally:
            stop(process)


if __name__ == "__main__":
    main(sys.argv[1])
