"""What to record of work in progress should its process be killed: a file of slots.

A slot is a checksum, a length and a payload; length 0 means free. The lowest free slot is taken
first, so the file is as large as the most work at once ever needed. It is not synced: it outlives
the process, not the machine.
"""

import heapq
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headrace_common.spool.files import Files, write_whole_at

HEADER = struct.Struct("<II")
"""CRC-32 of the payload, and its length."""

FREE = HEADER.pack(0, 0)
PREFIX = "in-flight-"


class Note(NamedTuple):
    """A payload and the slot that it lies in."""

    slot: int
    payload: bytes


class InFlightFile:
    """A file whose slots take payloads of `slot_bytes` at most, as its name says."""

    def __init__(self, directory: Path, files: Files, slot_bytes: int) -> None:
        self.path = directory / f"{PREFIX}{slot_bytes}"
        self._files = files
        self._stride = HEADER.size + slot_bytes
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._slots = -(-os.fstat(self._descriptor).st_size // self._stride)
        self._free: list[int] = []
        self.left_behind: list[Note] = []
        """What a killed process noted."""
        self.damaged = 0
        """Slots in which something stood that cannot be read; one may be torn by the kill."""
        self._look_through()

    def put(self, payload: bytes) -> Note:
        """Store `payload`; raises OSError, and takes no slot then."""
        if not self._free:
            self._add_slot()
        slot = self._free[0]
        content = HEADER.pack(zlib.crc32(payload), len(payload)) + payload
        write_whole_at(self._files, self._descriptor, content, self._place(slot))
        return Note(heapq.heappop(self._free), payload)

    def clear(self, note: Note) -> None:
        """Forget it; raises OSError, and keeps the slot taken then."""
        write_whole_at(self._files, self._descriptor, FREE, self._place(note.slot))
        heapq.heappush(self._free, note.slot)

    def close(self) -> None:
        os.close(self._descriptor)

    def _add_slot(self) -> None:
        """Write it in full, so that no later use of the slot needs new room on a full disk."""
        place = self._place(self._slots)
        write_whole_at(self._files, self._descriptor, bytes(self._stride), place)
        heapq.heappush(self._free, self._slots)
        self._slots += 1

    def _place(self, slot: int) -> int:
        return slot * self._stride

    def _look_through(self) -> None:
        for slot in range(self._slots):
            content = os.pread(self._descriptor, self._stride, self._place(slot))
            checksum, length = HEADER.unpack_from(content.ljust(HEADER.size, b"\0"))
            payload = content[HEADER.size : HEADER.size + length]
            if 0 < length == len(payload) and checksum == zlib.crc32(payload):
                self.left_behind.append(Note(slot, payload))
            else:
                self._free.append(slot)
                self.damaged += length > 0


def files_of_other_sizes(directory: Path, files: Files, slot_bytes: int) -> Iterator[InFlightFile]:
    """Those that a release with other slots has left."""
    for path in directory.glob(f"{PREFIX}*"):
        size = int(path.name.removeprefix(PREFIX))
        if size != slot_bytes:
            yield InFlightFile(directory, files, size)
