"""What is costly to find out about a model file, remembered beside it."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def remembered(path: Path, name: str, find_out: Callable[[Path], Any]) -> Any:
    """What `find_out` says of the file, as JSON.

    Kept in `<path>.<name>.json` with the file's size and modification time, and found out anew when
    these differ. Where the directory cannot be written it always is.
    """
    status = path.stat()
    identity = {"size_bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    note = path.with_name(f"{path.name}.{name}.json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text())
        if known["file"] == identity:
            return known[name]
    found = find_out(path)
    with suppress(OSError):
        note.write_text(json.dumps({"file": identity, name: found}))
    return found
