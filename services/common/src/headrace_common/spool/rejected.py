"""Where records go that the receiver refuses for good: kept for people to look at, never lost."""

import base64
import json
from datetime import datetime
from pathlib import Path

from headrace_common.spool.files import Files, write_whole


class RejectedFile:
    """A file of JSON lines, each with a payload (base64), the reason and the time."""

    def __init__(self, directory: Path, files: Files) -> None:
        self._files = files
        self._path = directory / "rejected.jsonl"
        self.size = self._path.stat().st_size if self._path.exists() else 0

    def add(self, payload: bytes, reason: str, at: datetime) -> None:
        """Write one line and sync it; raises OSError, and leaves nothing of the line then."""
        entry = {
            "rejected_at": at.isoformat(),
            "reason": reason,
            "payload": base64.b64encode(payload).decode(),
        }
        line = json.dumps(entry).encode() + b"\n"
        with self._path.open("ab", buffering=0) as file:
            try:
                write_whole(self._files, file.fileno(), line)
                self._files.sync(file.fileno())
            except OSError:
                self._files.truncate(file.fileno(), self.size)
                raise
        self.size += len(line)
