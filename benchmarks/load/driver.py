"""The benchmark's side of the load generator's process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from tempfile import TemporaryFile
from typing import IO

from benchmarks.load.generator import ANSWER_SECONDS, CONNECT_SECONDS
from benchmarks.load.plan import GO, Outcome, Plan
from benchmarks.processes import ROOT, ContestantError

START_SECONDS = 10.0


class Load:
    """A generator's process; `run` it once, when it is warm."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str], plan: Plan) -> None:
        self._process = process
        self._complaints = complaints
        self._plan = plan

    def warm_up(self) -> None:
        """Connect, and ask for a while without measuring; raises ContestantError."""
        self._write(self._plan.model_dump_json())
        patience = START_SECONDS + CONNECT_SECONDS + ANSWER_SECONDS
        self._read(patience + self._plan.warm_up_seconds)

    def run(self) -> Outcome:
        """Measure; raises ContestantError."""
        self._write(GO)
        return Outcome.model_validate_json(self._read(self._plan.seconds + ANSWER_SECONDS))

    def _write(self, line: str) -> None:
        stream = _pipe(self._process.stdin)
        stream.write(line + "\n")
        stream.flush()

    def _read(self, deadline_seconds: float) -> str:
        """The generator's next line."""
        stream = _pipe(self._process.stdout)
        with DefaultSelector() as selector:
            selector.register(stream, EVENT_READ)
            if not selector.select(deadline_seconds):
                raise ContestantError(f"no answers for {deadline_seconds:.0f} s")
        if line := stream.readline():
            return line
        self._complaints.seek(0)
        said = self._complaints.read().strip().splitlines() or ["the load generator ended"]
        raise ContestantError(said[-1])


@contextmanager
def warm_load(plan: Plan) -> Iterator[Load]:
    """Start a generator for `plan`, and end it; raises ContestantError."""
    # Complaints go into a file: a pipe that nobody reads would stop the generator.
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            (sys.executable, "-m", "benchmarks.load"),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as process,
    ):
        load = Load(process, complaints, plan)
        try:
            load.warm_up()
            yield load
        finally:
            process.kill()


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise ValueError("the process has no such pipe")
    return stream
