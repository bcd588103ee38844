"""Where the gateway's time goes at concurrency 16: a py-spy recording and tables made from it."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.table import Table

from benchmarks.cells import REFERENCE_CONCURRENCY, plan_for
from benchmarks.contestants import Contestant, at_the_gateway, echo_stack
from benchmarks.kinds import PLAIN, STREAMED, Kind
from benchmarks.load import run_load
from benchmarks.processes import ContestantError
from benchmarks.report import table

SECONDS, QUICK_SECONDS = 20, 6
SAMPLES_PER_SECOND = 200
MARGIN_SECONDS = 30.0
ROWS = 20

FRAME = re.compile(r"(?P<function>.*) \((?P<path>[^()]*?)(?::\d+)?\)")
OWNER_OF_PATH = (
    (re.compile(r"/site-packages/google/"), "protobuf"),
    (re.compile(r"/src/headrace/"), "protobuf"),
    (re.compile(r"/site-packages/([^/.]+)"), None),
    (re.compile(r"/src/(headrace_\w+/\w+)"), None),
    (re.compile(r"/python3\.\d+/(\w+)"), None),
    (re.compile(r"<string>"), "dataclasses"),
)
MAIN_THREAD = "_run_module_as_main"
STARTING = frozenset({"__main__", "app", "runtime"})
NOT_OURS = "(none of ours: server, routing, event loop)"


@dataclass(frozen=True, slots=True)
class Frame:
    """A function on the stack, and the library or part of ours that it belongs to."""

    function: str
    owner: str
    module: str = ""

    @classmethod
    def parse(cls, text: str) -> "Frame":
        match = FRAME.fullmatch(text)
        if match is None:
            return cls(text, "interpreter")
        # uvloop is C: its loop and all C callbacks show as the Python frame that started it.
        if match["function"] == "Runner.run":
            return cls("the event loop and callbacks in C", "uvloop")
        return cls(match["function"], _owner(match["path"]), Path(match["path"]).stem)

    def __str__(self) -> str:
        return f"{self.owner} {self.module}: {self.function}"

    @property
    def is_ours(self) -> bool:
        """Whether it is code of ours that a request runs, not the start of the process."""
        return self.owner.startswith("headrace_") and self.module not in STARTING


def profile_gateway(folder: Path, *, quick: bool) -> Iterator[Table]:
    """Record plain answers and streams into `folder`; raises ContestantError."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = QUICK_SECONDS if quick else SECONDS
    with echo_stack() as stack:
        gateway = at_the_gateway(stack)
        for kind in (PLAIN, STREAMED):
            output = folder / f"gateway-{kind.name}.txt"
            yield _record(gateway, output, seconds, kind)
            yield from _recorded(output)


def _record(contestant: Contestant, output: Path, seconds: int, kind: Kind) -> Table:
    """Record under load; the CPU time of all threads beside it."""
    plan = plan_for(contestant, seconds, kind, REFERENCE_CONCURRENCY)
    gateway = contestant.processes()["gateway"][0]
    run_load(plan.model_copy(update={"seconds": 1.0}))  # to warm up
    with _recording(gateway.pid, seconds, output):
        before = _thread_milliseconds(gateway)
        outcome = run_load(plan)
        used = _thread_milliseconds(gateway) - before
    if not outcome.answered:
        raise ContestantError(f"nothing was answered: {outcome.first_error}")
    rows = [
        (name, f"{spent / outcome.answered:.3f}", f"{spent / used.total():.1%}")
        for name, spent in used.most_common()
    ]
    what = "Streams of 32 words" if kind.streamed else "Plain answers"
    title = f"{what}: CPU time of the gateway's threads"
    return table(title, ("threads", "CPU ms/request", "share"), rows)


@contextmanager
def _recording(pid: int, seconds: int, output: Path) -> Iterator[None]:
    """Record for so long beside the block; collapsed stacks are in `output` after it.

    py-spy needs root or the ptrace capability. Raises ContestantError.
    """
    command = (
        *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid)),
        *("--duration", str(seconds), "--rate", str(SAMPLES_PER_SECOND)),
        *("--format", "raw", "--full-filenames", "--function", "--output", str(output)),
    )
    try:
        process = subprocess.Popen(  # noqa: S603 - the command line above
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        raise ContestantError("py-spy is not installed; see requirements-dev.txt") from error
    with process:
        try:
            yield
            said, _ = process.communicate(timeout=seconds + MARGIN_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ContestantError("py-spy did not end") from error
        finally:
            process.kill()
    if process.returncode:
        last = (said.strip().splitlines() or ["it failed"])[-1]
        raise ContestantError(f"py-spy: {last} (does it run as root?)")


def _thread_milliseconds(process: psutil.Process) -> Counter[str]:
    """User and system time of all threads so far, by name, which tells C code's threads apart."""
    used: Counter[str] = Counter()
    for thread in process.threads():
        name = "main" if thread.id == process.pid else _thread_name(process.pid, thread.id)
        used[name] += round((thread.user_time + thread.system_time) * 1000)
    return used


def _thread_name(pid: int, thread_id: int) -> str:
    try:
        name = Path(f"/proc/{pid}/task/{thread_id}/comm").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "ended"
    return name.rstrip("0123456789")  # pools number their threads


def _recorded(output: Path) -> Iterator[Table]:
    """One recording summed by library, by function, and by what of ours asked for it."""
    stacks = _main_thread_stacks(output)
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for frames, count in stacks.items():
        own[frames[-1].owner] += count
        inclusive.update({frame.owner: count for frame in frames})
        functions[str(frames[-1])] += count
        asked[next((str(frame) for frame in reversed(frames) if frame.is_ours), NOT_OURS)] += count
    title = f"{stacks.total()} samples of {output}"
    total = max(stacks.total(), 1)
    libraries = (
        (owner, f"{count / total:.1%}", f"{inclusive[owner] / total:.1%}")
        for owner, count in own.most_common(ROWS)
    )
    yield table(f"{title}, by library", ("library or part", "self", "inclusive"), libraries)
    yield _top(f"{title}, by function (self)", functions, total)
    yield _top(f"{title}, by the innermost function of ours", asked, total)


def _top(title: str, counts: Counter[str], total: int) -> Table:
    rows = ((name, f"{count / total:.1%}") for name, count in counts.most_common(ROWS))
    return table(title, ("function", "share"), rows)


def _main_thread_stacks(output: Path) -> Counter[tuple[Frame, ...]]:
    """How often each stack was seen.

    Of other threads py-spy cannot tell reliably whether they wait; the main thread waits nowhere
    but in the event loop.
    """
    stacks: Counter[tuple[Frame, ...]] = Counter()
    for line in output.read_text(encoding="utf-8").splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = tuple(Frame.parse(text) for text in stack.split(";"))
        if frames[0].function == MAIN_THREAD:
            stacks[frames] += int(samples)
    return stacks


def _owner(path: str) -> str:
    for pattern, owner in OWNER_OF_PATH:
        if match := pattern.search(path):
            return owner or match[1]
    return "interpreter"
