"""Appends records to the newest segment, and syncs what was appended from another thread."""

import os
import secrets
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Lock

from headrace_common.spool.files import Files, write_whole
from headrace_common.spool.records import HEADER, MARKER_BYTES, encode
from headrace_common.spool.segments import Segment, new_segment


class Writer:
    """Owns the descriptors of the files that are written or not yet synced.

    `append` and `retire` belong to one thread, `sync` may run in another one.
    """

    def __init__(
        self, directory: Path, files: Files, *, next_sequence: int, segment_bytes: int
    ) -> None:
        self._directory = directory
        self._files = files
        self._next_sequence = next_sequence
        self._segment_bytes = segment_bytes
        self._descriptor: int | None = None
        self._retired: deque[int] = deque()
        self._directory_changed = False
        self._syncing = Lock()
        self._segment: Segment | None = None

    def append(self, payload: bytes, appended_ms: int) -> Segment:
        """Write one record in one call; returns the segment that it is in, which may be new.

        Raises OSError when the disk does not take the whole record; nothing of it remains then.
        """
        size = HEADER.size + len(payload)
        segment, descriptor = self._segment, self._descriptor
        if segment is None or descriptor is None or segment.size + size > self._segment_bytes:
            segment, descriptor = self._start_segment()
        record = encode(segment.marker, appended_ms, payload)
        try:
            write_whole(self._files, descriptor, record)
        except OSError:
            # Should cutting fail too, the segment is left alone and its torn end is skipped later.
            with suppress(OSError):
                self._files.truncate(descriptor, segment.size)
            self.retire()
            raise
        segment.size += size
        segment.records += 1
        return segment

    def retire(self) -> None:
        """Append nothing more to the current segment."""
        if self._segment is None or self._descriptor is None:
            return
        self._segment.growing = False
        self._retired.append(self._descriptor)
        self._segment = self._descriptor = None

    def sync(self) -> None:
        """Put all that was appended so far on the disk itself; raises OSError."""
        with self._syncing:
            while self._retired:
                descriptor = self._retired.popleft()
                try:
                    self._files.sync(descriptor)
                finally:
                    os.close(descriptor)
            # Read only now: descriptors are closed above alone, so this one stays open meanwhile.
            if (current := self._descriptor) is not None:
                self._files.sync(current)
            if self._directory_changed:
                self._directory_changed = False
                self._sync_directory()

    def close(self) -> None:
        """Sync and close everything."""
        self.retire()
        self.sync()

    def _start_segment(self) -> tuple[Segment, int]:
        self.retire()
        marker = secrets.token_bytes(MARKER_BYTES)
        segment = new_segment(self._directory, self._next_sequence, marker)
        descriptor = self._files.create(segment.path)
        segment.growing = True
        self._segment, self._descriptor = segment, descriptor
        self._next_sequence += 1
        self._directory_changed = True
        return segment, descriptor

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
