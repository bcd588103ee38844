"""The SHA-256 of a model file, and of what a model is made of beside it."""

import hashlib
import json
from pathlib import Path

from headrace_inference.weights.notes import remembered


def file_digest(path: Path) -> str:
    """SHA-256 of the file, hexadecimal; hashing takes 5 s per GB, the first time."""
    return str(remembered(path, "sha256", _hash))


def combined_digest(digest: str, *changes: str) -> str:
    """The same for a model of which something is changed: its digest, and what it is changed by.

    Changes that are empty are none.
    """
    made = [change for change in changes if change]
    return hashlib.sha256(json.dumps([digest, *made]).encode()).hexdigest() if made else digest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
