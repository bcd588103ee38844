"""The user that PostgreSQL runs as when root starts the stack, since it refuses to be root."""

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SEARCH = 0o001
READ_AND_SEARCH = 0o005
READ = 0o004


@dataclass(frozen=True, slots=True)
class SystemUser:
    """An account without a login; every method needs root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def ensure(cls, name: str) -> "SystemUser":
        """Find the account or make it.

        Raises:
            SystemExit: it cannot be made; the message says why.
        """
        problem = ""
        # Several stacks may start at once, and useradd locks the password file for one of them.
        for _ in range(10):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                problem = _add_user(name)
                time.sleep(0.1)
            else:
                return cls(name, entry.pw_uid, entry.pw_gid)
        sys.exit(f"PostgreSQL does not run as root, and the user {name} cannot be made: {problem}")

    def owns(self, path: Path) -> None:
        """Give the user this one path."""
        os.chown(path, self.uid, self.gid)

    def may_reach(self, path: Path) -> None:
        """Let the user pass through `path` and all folders above it, without listing them."""
        for folder in (path, *path.parents):
            self._allow(folder, SEARCH)

    def may_read(self, tree: Path) -> None:
        """Let the user read the files below `tree`, which an installation under umask 077 hides."""
        self.may_reach(tree)
        if tree.stat().st_mode & READ_AND_SEARCH == READ_AND_SEARCH:
            return
        for path in _walk(tree):
            executable = path.stat().st_mode & 0o100
            self._allow(path, READ_AND_SEARCH if executable else READ)

    def become(self) -> None:
        """Give up root for good."""
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)

    def _allow(self, path: Path, bits: int) -> None:
        status = path.stat()
        if status.st_uid != self.uid and status.st_mode & bits != bits:
            mode = status.st_mode & 0o7777 | bits
            path.chmod(mode)
            sys.stderr.write(f"Set the mode of {path} to {mode:o} for the user {self.name}.\n")


def _walk(tree: Path) -> Iterator[Path]:
    yield tree
    yield from tree.rglob("*")


def _add_user(name: str) -> str:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return "useradd is not installed"
    return done.stderr.strip()
