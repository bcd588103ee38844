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


class Note(NamedTuple):
    """A payload and the slot that it lies in."""

    slot: int
    payload: bytes


class InFlightFile:
    """The file in `directory`; every slot takes a payload of `slot_bytes` at most."""

    def __init__(self, directory: Path, files: Files, slot_bytes: int) -> None:
        self._files = files
        self._stride = HEADER.size + slot_bytes
        self._descriptor = os.open(directory / "in-flight", os.O_RDWR | os.O_CREAT, 0o600)
        self._slots = -(-os.fstat(self._descriptor).st_size // self._stride)
        self._free = [slot for slot in range(self._slots) if self._load(slot) is None]

    def left_behind(self) -> Iterator[Note]:
        """What is stored; right after the start, the notes of a killed process."""
        for slot in range(self._slots):
            if (payload := self._load(slot)) is not None:
                yield Note(slot, payload)

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

    def _load(self, slot: int) -> bytes | None:
        content = os.pread(self._descriptor, self._stride, self._place(slot))
        if len(content) < HEADER.size:
            return None
        checksum, length = HEADER.unpack_from(content)
        payload = content[HEADER.size : HEADER.size + length]
        intact = 0 < length == len(payload) and checksum == zlib.crc32(payload)
        return payload if intact else None
