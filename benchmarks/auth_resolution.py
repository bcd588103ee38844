"""API keys resolved through gRPC by one auth process over a real PostgreSQL."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.auth_generator import ResolvePlan
from benchmarks.auth_service import AuthProcess, auth_process
from benchmarks.load import Outcome
from benchmarks.measurements import Measurement
from benchmarks.processes import ROOT, ContestantError, cpu_seconds, until_at_rest
from benchmarks.report import Target

KEYS, CONCURRENCY = 64, 32
SECONDS, QUICK_SECONDS, WARM_UP_SECONDS = 8.0, 2.0, 1.0
MARGIN_SECONDS = 60.0
PER_SECOND = 1500.0
NAME = f"resolve an API key through gRPC, {CONCURRENCY} at once"


def resolutions(*, quick: bool) -> Iterator[Measurement]:
    """The caller is a process of its own; raises ContestantError."""
    with auth_process(keys=KEYS) as auth:
        resolve(auth, WARM_UP_SECONDS)
        until_at_rest(auth.processes)
        before = cpu_seconds(auth.processes())
        outcome = resolve(auth, QUICK_SECONDS if quick else SECONDS)
        used = cpu_seconds(auth.processes())
    target = Target("resolutions/s through gRPC on one worker", outcome.per_second, PER_SECOND)
    answered = max(outcome.answered, 1)
    yield Measurement(
        name=NAME,
        latency=outcome.latency,
        targets=(target,),
        per_second=outcome.per_second,
        errors=outcome.errors,
        first_error=outcome.first_error,
        cpu_seconds={part: (used[part] - before[part]) / answered for part in used},
    )


def resolve(auth: AuthProcess, seconds: float, concurrency: int = CONCURRENCY) -> Outcome:
    """What a load of so many callers at once sees; raises ContestantError."""
    plan = ResolvePlan(
        target=auth.target, keys=tuple(auth.keys), concurrency=concurrency, seconds=seconds
    )
    try:
        generator = subprocess.run(
            (sys.executable, "-m", "benchmarks.auth_generator"),
            check=True,
            cwd=ROOT,
            input=plan.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=seconds + MARGIN_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ContestantError("auth's callers got no answers") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["the load generator ended"]
        raise ContestantError(said[-1]) from error
    return Outcome.model_validate_json(generator.stdout)
