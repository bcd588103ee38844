"""One cell of a gateway benchmark: a contestant under one load, its answers and what they cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from benchmarks.contestants.contestant import Contestant, Entrant
from benchmarks.load.driver import warm_load
from benchmarks.load.plan import Outcome, Plan
from benchmarks.processes import cpu_seconds, memory_bytes, until_at_rest

PLAIN_PROMPT = "The quick brown fox jumps over the lazy dog"
STREAMED_PROMPT = " ".join(f"word{index}" for index in range(32))
REFERENCE_CONCURRENCY = 16
CONCURRENCIES = (1, REFERENCE_CONCURRENCY, 64, 256)
LEFT_OUT = (
    "Quick: concurrencies 64 and 256 are left out, streams at concurrency 1 too, and of slow"
    f" contestants all but plain answers at concurrency {REFERENCE_CONCURRENCY}."
)


class Cell(BaseModel):
    """What was measured."""

    model_config = ConfigDict(frozen=True)

    contestant: str
    streamed: bool
    concurrency: int
    outcome: Outcome
    cpu_seconds: Mapping[str, float]
    """By part of the contestant, until it was at rest again."""
    came_to_rest: bool
    """Else there is more to come, and `cpu_seconds` is too low."""
    memory_bytes: int

    def cpu_per_request(self, part: str | None = None) -> float | None:
        """Seconds, of one part or of all; None if no request was answered."""
        if not self.outcome.answered:
            return None
        used = sum(self.cpu_seconds.values()) if part is None else self.cpu_seconds.get(part, 0.0)
        return used / self.outcome.answered


@dataclass(frozen=True, slots=True)
class Length:
    """How much a run measures."""

    warm_up_seconds: float = 1.0
    seconds: float = 8.0
    plain: tuple[int, ...] = CONCURRENCIES
    streamed: tuple[int, ...] = CONCURRENCIES

    def loads(self) -> Iterator[tuple[bool, int]]:
        """Whether streamed, and the concurrency, of each cell."""
        yield from ((False, concurrency) for concurrency in self.plain)
        yield from ((True, concurrency) for concurrency in self.streamed)


def length_for(entrant: Entrant, *, quick: bool) -> Length:
    """A quick run leaves out high concurrencies, and the streams of slow contestants."""
    if not quick:
        return Length()
    only = (REFERENCE_CONCURRENCY,)
    if entrant.is_slow:
        return Length(warm_up_seconds=0.5, seconds=1.5, plain=only, streamed=())
    plain = (1, REFERENCE_CONCURRENCY)
    return Length(warm_up_seconds=0.5, seconds=1.0, plain=plain, streamed=only)


def plan_for(contestant: Contestant, length: Length, *, streamed: bool, concurrency: int) -> Plan:
    """The same request for all; the default temperature, so that no cache answers."""
    return Plan(
        url=contestant.url,
        headers=dict(contestant.headers),
        ca_file=contestant.ca_file,
        model=contestant.model,
        prompt=STREAMED_PROMPT if streamed else PLAIN_PROMPT,
        streamed=streamed,
        concurrency=concurrency,
        warm_up_seconds=length.warm_up_seconds,
        seconds=length.seconds,
    )


def measure(contestant: Contestant, length: Length, *, streamed: bool, concurrency: int) -> Cell:
    """Raises ContestantError."""
    plan = plan_for(contestant, length, streamed=streamed, concurrency=concurrency)
    with warm_load(plan) as load:
        until_at_rest(contestant.processes)
        before = cpu_seconds(contestant.processes())
        outcome = load.run()
        came_to_rest = until_at_rest(contestant.processes)
    after = contestant.processes()
    return Cell(
        contestant=contestant.name,
        streamed=streamed,
        concurrency=concurrency,
        outcome=outcome,
        cpu_seconds={part: used - before[part] for part, used in cpu_seconds(after).items()},
        came_to_rest=came_to_rest,
        memory_bytes=memory_bytes(after),
    )
