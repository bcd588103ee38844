"""The state that a running supervisor publishes, and the lock that makes it the only one."""

import fcntl
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from headrace_local.directories import remove_runtime_directory
from headrace_local.errors import AlreadyRunningError
from headrace_local.processes import Identity, kill_group
from headrace_local.status import Phase, Status

GONE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StackState:
    """What there is to know about a stack from outside."""

    supervisor: Identity
    url: str
    ca_file: str
    runtime: str
    model: str = ""  # absent in files of the first release
    components: tuple[Status, ...] = ()

    @property
    def is_running(self) -> bool:
        return self.supervisor.is_alive()

    @property
    def is_ready(self) -> bool:
        return self.is_running and all(part.phase.is_fulfilled for part in self.components)


class StateFile:
    """An observer that keeps the state file up to date."""

    def __init__(self, path: Path, state: StackState) -> None:
        self._path = path
        self._state = state

    def publish(self, statuses: Sequence[Status]) -> None:
        """Replace all components' statuses."""
        self._state = replace(self._state, components=tuple(statuses))
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self._state), indent=2))
        unfinished.replace(self._path)

    def changed(self, status: Status) -> None:
        parts = {part.name: part for part in self._state.components}
        self.publish(tuple({**parts, status.name: status}.values()))

    def say(self, sentence: str) -> None:
        """Sentences are for people; the state file has no place for them."""


def read_state(path: Path) -> StackState | None:
    """The last published state, of a supervisor that may be gone; `None` if there never was one."""
    try:
        fields = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    fields["supervisor"] = Identity(**fields["supervisor"])
    fields["components"] = tuple(_status(part) for part in fields["components"])
    return StackState(**fields)


def _status(fields: dict[str, Any]) -> Status:
    process = fields["process"] and Identity(**fields["process"])
    return Status(**{**fields, "phase": Phase(fields["phase"]), "process": process})


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Be the only supervisor of a state directory; the kernel releases the lock of a killed one.

    Raises:
        AlreadyRunningError: another one is.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"A stack is already running in {path.parent.parent};"
                " see it with `make status`, stop it with `make down`."
            ) from error
        yield


def end_leftovers(path: Path) -> list[str]:
    """Kill what a killed supervisor left behind; returns the names of the components."""
    state = read_state(path)
    if state is None:
        return []
    remaining = [part for part in state.components if part.process and part.process.is_alive()]
    for part in remaining:
        if part.process:
            kill_group(part.process.pid)
    deadline = time.monotonic() + GONE_SECONDS
    while any(part.process and part.process.is_alive() for part in remaining):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    remove_runtime_directory(Path(state.runtime))
    return [part.name for part in remaining]
