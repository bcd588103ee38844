"""One cell of a gateway benchmark: a contestant under one load, its answers and what they cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from benchmarks.contestants import Contestant
from benchmarks.kinds import CACHED, LONG, PLAIN, STREAMED, Kind
from benchmarks.load import Outcome, Plan, run_load
from benchmarks.processes import cpu_seconds, memory_bytes, until_at_rest

REFERENCE_CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class Length:
    """How much a run measures."""

    warm_up_seconds: float
    seconds: float
    concurrencies: tuple[int, ...]


FULL = Length(1.0, 8.0, (1, REFERENCE_CONCURRENCY, 64, 256))
QUICK = Length(0.5, 1.0, (1, REFERENCE_CONCURRENCY))
LEFT_OUT = f"Quick: concurrency 1 and {REFERENCE_CONCURRENCY} only, for {QUICK.seconds:.0f} s each."


def loads(length: Length, *, ours: bool) -> Iterator[tuple[Kind, int]]:
    """Questions with how many ask them at once; long prompts and the cache are `ours` alone."""
    yield from ((kind, count) for kind in (PLAIN, STREAMED) for count in length.concurrencies)
    if ours:
        yield from ((LONG, 1), (CACHED, 64))


class Cell(BaseModel, frozen=True):
    """What was measured."""

    contestant: str
    kind: str
    concurrency: int
    outcome: Outcome
    cpu_seconds: Mapping[str, float]
    """By part of the contestant, until it was at rest again."""
    came_to_rest: bool
    """Else there is more to come, and `cpu_seconds` is too low."""
    memory_bytes: int

    def cpu_per_request(self, part: str | None = None) -> float | None:
        """Seconds, of one part or of all; None if there is no such part or answer."""
        if not self.outcome.answered or part not in (None, *self.cpu_seconds):
            return None
        used = sum(self.cpu_seconds.values()) if part is None else self.cpu_seconds[part]
        return used / self.outcome.answered


def plan_for(contestant: Contestant, seconds: float, kind: Kind, concurrency: int) -> Plan:
    """The same request for all."""
    return Plan(
        url=contestant.url,
        headers=dict(contestant.headers),
        ca_file=contestant.ca_file,
        model=contestant.model,
        kind=kind,
        concurrency=concurrency,
        seconds=seconds,
    )


def measure(contestant: Contestant, length: Length, kind: Kind, concurrency: int) -> Cell:
    """Warm up with a load of its own, then measure; raises ContestantError."""
    plan = plan_for(contestant, length.seconds, kind, concurrency)
    run_load(plan.model_copy(update={"seconds": length.warm_up_seconds}))
    until_at_rest(contestant.processes)
    before = cpu_seconds(contestant.processes())
    outcome = run_load(plan)
    came_to_rest = until_at_rest(contestant.processes)
    after = contestant.processes()
    return Cell(
        contestant=contestant.name,
        kind=kind.name,
        concurrency=concurrency,
        outcome=outcome,
        cpu_seconds={part: used - before[part] for part, used in cpu_seconds(after).items()},
        came_to_rest=came_to_rest,
        memory_bytes=memory_bytes(after),
    )
