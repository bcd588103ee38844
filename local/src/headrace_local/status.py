"""What is known about a component at a moment, and who wants to hear of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headrace_local.processes import Identity


class Phase(StrEnum):
    """Where a component is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_fulfilled(self) -> bool:
        """Whether others that need this component may go on."""
        return self in (Phase.READY, Phase.DONE)


@dataclass(frozen=True, slots=True)
class Status:
    """One component's phase; `since` is in seconds since the epoch, `detail` explains it."""

    name: str
    phase: Phase
    since: float
    address: str = ""
    detail: str = ""
    process: Identity | None = None
    restarts: int = 0


class Observer(Protocol):
    """Hears everything that the supervisor does; a call must return at once."""

    def changed(self, status: Status) -> None:
        """A component has a new status."""

    def say(self, sentence: str) -> None:
        """Something happened that a person should read."""
