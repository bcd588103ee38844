"""Things measured one by one, each with what is asked of it, and the tables that show them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from benchmarks.load import Summary
from benchmarks.report import Target, table

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing done many times."""

    name: str
    latency: Summary
    targets: Sequence[Target] = ()
    per_second: float | None = None
    """Where several are under way at once."""
    errors: int = 0
    first_error: str = ""
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    """Of each time, by the process that spent it."""


def tables(measurements: Sequence[Measurement]) -> Iterator[Table]:
    """How long, how many, and what it cost."""
    columns = ("what", "times", "p50 us", "p95 us", "p99 us", "max us", "per second", "errors")
    rows = [
        (each.name, *_times(each.latency), _rate(each), str(each.errors)) for each in measurements
    ]
    yield table("Durations", columns, rows)
    costly = [each for each in measurements if each.cpu_seconds]
    parts = dict.fromkeys(part for each in costly for part in each.cpu_seconds)
    if costly:
        costs = [
            (each.name, *(_microseconds(each.cpu_seconds.get(part)) for part in parts))
            for each in costly
        ]
        yield table("CPU us each time, by process", ("what", *parts), costs)


def _times(summary: Summary) -> tuple[str, ...]:
    durations = (summary.p50, summary.p95, summary.p99, summary.maximum)
    return (str(summary.count), *(_microseconds(duration) for duration in durations))


def _rate(measurement: Measurement) -> str:
    return NOTHING if measurement.per_second is None else f"{measurement.per_second:.0f}"


def _microseconds(seconds: float | None) -> str:
    return NOTHING if seconds is None else f"{seconds * 1e6:.1f}"
