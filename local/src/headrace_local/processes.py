"""Child processes: started in a session of their own, stopped politely and then by force."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headrace_local.guard import guarded

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def minimal_environment() -> dict[str, str]:
    """What every child may know of this process's environment: no secret can be among it."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def download_environment() -> dict[str, str]:
    """What a child must know besides to reach a package index as the user has set it up."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.upper() in (*PROXIES, *AUTHORITIES)
    }


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for certain: its id is used again some day, but not with this start time."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The process with this id now; `None` if there is none or it is a zombie. See proc(5)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, *fields = text.rpartition(")")[2].split()
        return None if state in "ZX" else cls(pid, int(fields[18]))

    def is_alive(self) -> bool:
        return Identity.of(self.pid) == self


class Child:
    """A running program and its process group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.identity = Identity.of(process.pid) or Identity(process.pid, 0)

    @classmethod
    async def spawn(
        cls, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> "Child":
        """Start `command` with exactly `environment`; both output streams are appended to `log`."""
        with _append_to(log) as output:
            process = await asyncio.create_subprocess_exec(
                *guarded(command),
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(process)

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the end; the exit code, or minus the number of the signal that ended it."""
        return await self._process.wait()

    async def stop(self, polite: int, deadline_seconds: float, hurry: asyncio.Event) -> bool:
        """Send the polite signal, and SIGKILL after the deadline or as soon as `hurry` is set.

        Returns whether force was needed. The group gets SIGKILL in any case, for grandchildren.
        """
        if self.is_running:
            self._process.send_signal(polite)
        ended = asyncio.ensure_future(self._process.wait())
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait(
            {ended, hurried}, timeout=deadline_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        forced = not ended.done()
        kill_group(self._process.pid)
        await ended
        return forced


def kill_group(leader: int) -> None:
    """Send SIGKILL to all processes of the session that `leader` began, if any are left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """An exit code in words, for example `exit code 3` or `SIGKILL`."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _append_to(log: Path) -> BinaryIO:
    return log.open("ab")
