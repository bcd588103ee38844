"""A load on a contestant, and what the generator, a process of its own, saw of it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from benchmarks.kinds import Kind
from benchmarks.processes import ROOT, ContestantError

START_SECONDS = 10.0
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
ENOUGH_FOR_PERCENTILES = 100


class Plan(BaseModel, frozen=True):
    """The same request again and again, over as many connections as `concurrency`."""

    url: str
    headers: dict[str, str]
    ca_file: Path | None
    model: str
    kind: Kind
    concurrency: int
    seconds: float
    """Requests are begun for so long; those in flight then are waited for and count."""


class Summary(BaseModel, frozen=True):
    """Many durations, in seconds; percentiles are None below 100 samples."""

    count: int
    maximum: float
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Summary":
        ranked = sorted(seconds)
        summary = cls(count=len(ranked), maximum=max(ranked, default=0.0))
        if summary.count < ENOUGH_FOR_PERCENTILES:
            return summary
        percentiles = {f"p{percent}": nearest_rank(ranked, percent) for percent in (50, 95, 99)}
        return summary.model_copy(update=percentiles)


class Outcome(BaseModel, frozen=True):
    """What the generator saw."""

    answered: int
    errors: int
    """Answers with another status or text than they should have, and broken connections."""
    first_error: str
    seconds: float
    """From the first request to the last answer."""
    latency: Summary
    first_token: Summary
    """Streams only."""

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


def run_load(plan: Plan) -> Outcome:
    """Start a generator, and wait until it is through; raises ContestantError."""
    deadline_seconds = START_SECONDS + CONNECT_SECONDS + plan.seconds + ANSWER_SECONDS
    try:
        generator = subprocess.run(
            (sys.executable, "-m", "benchmarks.generator"),
            check=True,
            cwd=ROOT,
            input=plan.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=deadline_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ContestantError(f"no answers for {deadline_seconds:.0f} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["the load generator ended"]
        raise ContestantError(said[-1]) from error
    return Outcome.model_validate_json(generator.stdout)


def nearest_rank(ranked: Sequence[float], percent: int) -> float:
    """The smallest sample that at least `percent` of all do not exceed."""
    return ranked[-(-percent * len(ranked) // 100) - 1]
