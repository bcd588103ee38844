"""Kills parts of a stack under load and measures how long it takes to be whole again."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tests.chaos.callers import Answer

from headrace_local.stack import Stack
from headrace_local.status import Phase
from headrace_local.testing import kill

T = TypeVar("T")

RECOVERY_SECONDS = 60.0
SERVICES = ("gateway", "auth", "cache", "audit", "inference")
COMPONENTS = (*SERVICES, "redis", "postgres")


@dataclass(frozen=True, slots=True)
class Recovery:
    """One kill, between two readings of `time.monotonic()`; durations count from the first."""

    component: str
    killed_at: float
    dead_at: float
    ready_seconds: float
    """Until the supervisor saw the component ready."""
    answered_seconds: float
    """Until the end of the first answer, asked for after the kill, that came past a working cache
    from a working model."""


def kill_and_recover(
    stack: Stack, components: Sequence[str], answers: Sequence[Answer]
) -> list[Recovery]:
    """Kill them at once under the load of `answers`, and wait until all is well again."""
    before = {name: stack.supervisor.status(name).restarts for name in components}
    killed_at = time.monotonic()
    for name in components:
        kill(stack, name)
    dead_at = time.monotonic()
    ready_at = {
        name: wait_for(partial(_ready_at, stack, name, before[name]), f"{name} ready")
        for name in components
    }
    answered_at = wait_for(partial(_answered_at, answers, killed_at), "a good answer")
    return [
        Recovery(name, killed_at, dead_at, ready_at[name] - killed_at, answered_at - killed_at)
        for name in components
    ]


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """Poll, for neither the supervisor nor the callers tell this thread."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not within {RECOVERY_SECONDS:.0f} s: {what}"
        time.sleep(0.01)
    return found


def wait_for_more(answers: Sequence[Answer], count: int = 50) -> None:
    """Let so many more calls end, so that a kill finds the stack under its usual load."""
    wanted = len(answers) + count
    wait_for(lambda: len(answers) >= wanted or None, f"{count} more answers")


def table(recoveries: Iterable[Recovery]) -> str:
    """For people: one line per kill."""
    head = f"{'killed':<12}{'ready after':>14}{'answered after':>17}"
    lines = (
        f"{one.component:<12}{one.ready_seconds:>12.2f} s{one.answered_seconds:>15.2f} s"
        for one in recoveries
    )
    return "\n".join(("", head, *lines))


def _ready_at(stack: Stack, component: str, restarts: int) -> float | None:
    status = stack.supervisor.status(component)
    again = status.restarts > restarts and status.phase is Phase.READY
    # The supervisor keeps time by the other clock.
    return time.monotonic() - (time.time() - status.since) if again else None


def _answered_at(answers: Sequence[Answer], killed_at: float) -> float | None:
    """A `miss` went all the way: the cache answered, and the model generated."""
    whole = (
        answer.ended_at
        for answer in reversed(answers)
        if answer.sent_at > killed_at and answer.good and answer.cache == "miss"
    )
    return min(whole, default=None)
