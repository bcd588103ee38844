"""Makes a Python base image one for running only: no package installers, and a user to run as.

Runs as root in the last stage of each service's Dockerfile.
"""

import ensurepip
import os
import shutil
import sys
import sysconfig
from pathlib import Path

USER_ID = 10001


def remove_installers() -> None:
    """All that this Python has beyond its own library; nothing else needs it."""
    for folder in (sysconfig.get_path("purelib"), str(Path(ensurepip.__file__).parent)):
        shutil.rmtree(folder)
    for command in Path(sysconfig.get_path("scripts")).glob("*"):
        if not command.name.startswith("python"):
            command.unlink()


def add_user(*folders: str) -> None:
    """A user without a password, a shell and a home; the folders are what it may write to."""
    with Path("/etc/passwd").open("a") as users, Path("/etc/group").open("a") as groups:
        users.write(f"headrace:x:{USER_ID}:{USER_ID}::/tmp:/usr/sbin/nologin\n")
        groups.write(f"headrace:x:{USER_ID}:\n")
    for folder in folders:
        Path(folder).mkdir(parents=True, mode=0o750)
        os.chown(folder, USER_ID, USER_ID)


if __name__ == "__main__":
    remove_installers()
    add_user(*sys.argv[1:])
