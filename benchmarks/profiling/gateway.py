"""Where the gateway's time goes at concurrency 16: a py-spy recording and tables made from it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.table import Table

from benchmarks.cells import REFERENCE_CONCURRENCY, Length, plan_for
from benchmarks.contestants import headrace
from benchmarks.contestants.contestant import Contestant
from benchmarks.load.driver import warm_load
from benchmarks.load.plan import Outcome
from benchmarks.processes import ContestantError
from benchmarks.profiling.spy import recording
from benchmarks.profiling.stacks import Profile, read_profile
from benchmarks.profiling.threads import thread_seconds
from benchmarks.report import table

SECONDS, QUICK_SECONDS = 20, 6
ROWS = 20


def profile_gateway(folder: Path, *, quick: bool) -> Iterator[Table]:
    """Record plain answers and streams into `folder`; raises ContestantError."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = QUICK_SECONDS if quick else SECONDS
    with headrace.echo_stack() as stack:
        contestant = headrace.at_the_gateway(stack)
        for kind in ("plain", "streamed"):
            recorded = folder / f"gateway-{kind}.txt"
            yield from _record(contestant, recorded, seconds, streamed=kind == "streamed")


def _record(
    contestant: Contestant, output: Path, seconds: int, *, streamed: bool
) -> Iterator[Table]:
    length = Length(seconds=seconds + 1.0)
    plan = plan_for(contestant, length, streamed=streamed, concurrency=REFERENCE_CONCURRENCY)
    gateway = contestant.processes()["gateway"][0]
    with warm_load(plan) as load, recording(gateway.pid, seconds, output):
        before = thread_seconds(gateway)
        outcome = load.run()
        after = thread_seconds(gateway)
    used = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    if not outcome.answered:
        raise ContestantError(f"nothing was answered: {outcome.first_error}")
    kind = "Streams of 32 words" if streamed else "Plain answers"
    yield _threads(f"{kind}: CPU time of the gateway's threads", used, outcome)
    profile = read_profile(output)
    title = f"{kind}: {profile.samples} samples of {output}"
    yield _libraries(f"{title}, by library", profile)
    yield _top(f"{title}, by function (self)", profile, profile.own_by_function)
    yield _top(f"{title}, by the innermost function of ours", profile, profile.asked_by)


def _threads(title: str, used: Mapping[str, float], outcome: Outcome) -> Table:
    total = sum(used.values())
    ranked = sorted(used.items(), key=lambda item: item[1], reverse=True)
    rows = [
        (name, f"{seconds * 1000 / outcome.answered:.3f}", _percent(seconds / total))
        for name, seconds in ranked
    ]
    return table(title, ("threads", "CPU ms/request", "share"), rows)


def _libraries(title: str, profile: Profile) -> Table:
    rows = [
        (owner, _percent(profile.share(count)), _percent(profile.share(inclusive)))
        for owner, count in profile.own_by_owner.most_common(ROWS)
        if (inclusive := profile.inclusive_by_owner[owner])
    ]
    return table(title, ("library or part", "self", "inclusive"), rows)


def _top(title: str, profile: Profile, counts: Counter[str]) -> Table:
    rows = [(name, _percent(profile.share(count))) for name, count in counts.most_common(ROWS)]
    return table(title, ("function", "share"), rows)


def _percent(share: float) -> str:
    return f"{share:.1%}"
