"""The SHA-256 of a model, which is a file or a directory, or of what it is made of."""

import hashlib
import json
from glob import glob
from pathlib import Path

from headrace_inference.weights.notes import remembered

NOTE = ".sha256.json"


def file_digest(path: Path) -> str:
    """SHA-256 of the file, hexadecimal; hashing takes 5 s per GB, the first time."""
    return str(remembered(path, "sha256", _hash))


def combined_digest(digest: str, *changes: str) -> str:
    """The same for a model of which something is changed: its digest, and what it is changed by.

    Changes that are empty are none.
    """
    made = [change for change in changes if change]
    return hashlib.sha256(json.dumps([digest, *made]).encode()).hexdigest() if made else digest


def directory_digest(directory: Path) -> str:
    """SHA-256 over the lines `DIGEST  PATH` of its files, hexadecimal, in the order of paths.

    Files in folders count too, by their path from the directory: `1_Pooling/config.json` changes
    vectors. Hidden files and folders are left out, and so are the notes that are kept beside files.
    What it prints is that of `find -L * -type f ! -path '*/.*' | LC_ALL=C sort | xargs sha256sum |
    sha256sum`, run in the directory before there are notes.
    """
    paths = sorted(
        path
        for path in glob("**", root_dir=directory, recursive=True)  # noqa: PTH207 - none hidden
        if not path.endswith(NOTE) and (directory / path).is_file()
    )
    told = "".join(f"{file_digest(directory / path)}  {path}\n" for path in paths)
    return hashlib.sha256(told.encode()).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
