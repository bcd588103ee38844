"""One process per spool directory."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from headrace_common.errors import HeadraceError, Reason


def lock_directory(directory: Path) -> int:
    """Lock `directory` until the returned descriptor is closed or the process ends.

    Raises HeadraceError with AUDIT_UNAVAILABLE if another process holds it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 20, 0).decode(errors="replace")
        os.close(descriptor)
        raise HeadraceError(
            Reason.AUDIT_UNAVAILABLE, f"spool {directory} is in use by process {owner}"
        ) from error
    with suppress(OSError):  # a full disk costs the next process its message, nothing more
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
