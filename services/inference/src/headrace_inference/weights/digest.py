"""The SHA-256 of a model file, remembered beside it."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256 of the file, hexadecimal.

    Kept in `<path>.sha256.json` with the file's size and modification time, and computed anew when
    these differ, for hashing takes 5 s per GB. Where the directory cannot be written it always is.
    """
    status = path.stat()
    identity = {"size_bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    note = path.with_name(path.name + ".sha256.json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text())
        if known["file"] == identity:
            return str(known["sha256"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with suppress(OSError):
        note.write_text(json.dumps({"file": identity, "sha256": digest}))
    return digest
