"""The calls by which a spool writes to its disk, as a port, so that tests can fill or break one."""

import errno
import os
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """A file system; every method raises OSError as the system call does."""

    def create(self, path: Path) -> int:
        """Make a new file for appending; returns its descriptor."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Append in one system call; returns how many bytes were written, which may be fewer."""

    def write_at(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write at a place of the file in one system call; returns how many bytes were written."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""

    def sync(self, descriptor: int) -> None:
        """Return once the file's bytes are on the disk itself."""

    def free_bytes(self, directory: Path) -> int:
        """What the disk still takes from an ordinary user."""


def write_whole(files: Files, descriptor: int, data: bytes) -> None:
    """Write all of `data` in one call; a short write is a full disk. Raises OSError."""
    if files.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_whole_at(files: Files, descriptor: int, data: bytes, offset: int) -> None:
    """Like `write_whole`, at a place of the file."""
    if files.write_at(descriptor, data, offset) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class SystemFiles:
    """The machine's own file system."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def write_at(self, descriptor: int, data: bytes, offset: int) -> int:
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def free_bytes(self, directory: Path) -> int:
        disk = os.statvfs(directory)
        return disk.f_bavail * disk.f_frsize
