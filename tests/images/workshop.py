"""Where images are built and run: a folder of this machine, and Debian's container tools in it."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORKSHOP = Path(os.environ.get("HEADRACE_IMAGES", "/var/tmp/headrace-images"))  # noqa: S108
"""What is kept between runs: the base's files, wheels, and the tools' own storage with layers."""

STORAGE = ("--root", str(WORKSHOP / "storage"), "--runroot", str(WORKSHOP / "run"))
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


def inspect(kind: str, name: str) -> dict[str, Any]:
    """What podman knows of an `image` or a `container`."""
    found: list[dict[str, Any]] = json.loads(podman(kind, "inspect", name))
    return found[0]


def run(command: Sequence[str | Path], **options: Any) -> str:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
        **options,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise ToolError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{said}")
    return done.stdout.strip()
