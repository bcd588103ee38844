"""The SHA-256 of a model file."""

import hashlib
from pathlib import Path

from headrace_inference.weights.notes import remembered


def file_digest(path: Path) -> str:
    """SHA-256 of the file, hexadecimal; hashing takes 5 s per GB, the first time."""
    return str(remembered(path, "sha256", _hash))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
