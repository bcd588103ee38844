"""Where images are built and run: a folder of this machine, and Debian's container tools in it."""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORKSHOP = Path(os.environ.get("HEADRACE_IMAGES", "/var/tmp/headrace-images"))
"""What is kept between runs: the base's files, wheels, and the tools' own storage with layers."""

STORAGE = ("--root", str(WORKSHOP / "storage"), "--runroot", str(WORKSHOP / "run"))
# Sandboxes refuse to raise these, to which podman would raise them.
ULIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
SECONDS = 1200


class ToolError(AssertionError):
    """A container tool failed; the message has the end of what it said."""


def buildah(*arguments: str | Path) -> str:
    """What the command printed."""
    return run(("buildah", *STORAGE, *map(str, arguments)))


def podman(*arguments: str | Path) -> str:
    """What the command printed."""
    # crun, the default, needs a newer kernel interface than sandboxes have.
    return run(("podman", *STORAGE, "--runtime", "runc", *map(str, arguments)))


@contextmanager
def alone() -> Iterator[None]:
    """Keep other runs out of the workshop, in which a killed one may have left containers."""
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    with (WORKSHOP / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        podman("rm", "--all", "--force", "--time", "1")
        yield


def run_container(*arguments: str | Path) -> str:
    """`podman run` of an image that is here."""
    return podman("run", "--pull=never", *ULIMITS, *arguments)


def inspect(kind: str, name: str) -> dict[str, Any]:
    """What podman knows of an `image` or a `container`."""
    found: list[dict[str, Any]] = json.loads(podman(kind, "inspect", name))
    return found[0]


def run(command: Sequence[str | Path], **options: Any) -> str:
    """What it printed to standard output."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, **options
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise ToolError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{said}")
    return done.stdout.strip()
