"""A disk that is as full, or as broken, as a test wants."""

import errno
import os
from pathlib import Path

from headrace_common.spool.files import SystemFiles


class SmallDisk(SystemFiles):
    """Real files on a disk that takes `room` more bytes; what exceeds it is written in part.

    While `broken` is set, every write and sync fails with EIO.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.broken = False
        self.syncs = 0

    def write(self, descriptor: int, data: bytes) -> int:
        self._require_health()
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = super().write(descriptor, data[: self.room])
        self.room -= written
        return written

    def write_at(self, descriptor: int, data: bytes, offset: int) -> int:
        self._require_health()
        growth = max(0, offset + len(data) - os.fstat(descriptor).st_size)
        if growth > self.room:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.room -= growth
        return super().write_at(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        self._require_health()
        self.syncs += 1
        super().sync(descriptor)

    def free_bytes(self, directory: Path) -> int:  # noqa: ARG002 - there is one disk
        return self.room

    def _require_health(self) -> None:
        if self.broken:
            raise OSError(errno.EIO, "input/output error")
