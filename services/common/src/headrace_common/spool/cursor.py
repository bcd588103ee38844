"""How far a spool has been acknowledged, kept in a file of two slots that are written in turn.

A torn or damaged slot is told by its checksum, and the other one holds the position before.
Unlike replacing a file this needs no new room on a full disk, and 3 us instead of 1.3 ms on ext4.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

FIELDS = struct.Struct("<QQ")
CHECKSUM = struct.Struct("<I")
SLOT_OFFSETS = (0, 4096)
"""A page each, so that one torn write never reaches both."""


class Position(NamedTuple):
    """A place between two records: a segment's number and bytes from its start."""

    sequence: int
    offset: int


class Cursor:
    """The acknowledged position of the spool in `directory`; (0, 0) if none can be read.

    It is not synced: a machine that dies may go back to an older position, which only repeats
    records.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
        slots = [self._load(offset) for offset in SLOT_OFFSETS]
        self._next_slot = 1 - slots.index(max(slots))
        self.position = max(slots)

    def move(self, position: Position) -> None:
        """Store a later position; a crash leaves the old one or the new one. Raises OSError."""
        self.position = position
        fields = FIELDS.pack(*position)
        content = fields + CHECKSUM.pack(zlib.crc32(fields))
        os.pwrite(self._descriptor, content, SLOT_OFFSETS[self._next_slot])
        self._next_slot = 1 - self._next_slot

    def close(self) -> None:
        os.close(self._descriptor)

    def _load(self, offset: int) -> Position:
        content = os.pread(self._descriptor, FIELDS.size + CHECKSUM.size, offset)
        fields, checksum = content[: FIELDS.size], content[FIELDS.size :]
        if len(fields) < FIELDS.size or checksum != CHECKSUM.pack(zlib.crc32(fields)):
            return Position(0, 0)
        return Position(*FIELDS.unpack(fields))
