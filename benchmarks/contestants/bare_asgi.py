"""The canned upstream asked directly: the most that Python and uvicorn give."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contestants.contestant import Contestant, Entrant
from benchmarks.contestants.servers import listening
from benchmarks.processes import tree
from headrace_local.checks import free_port

NAME = "bare ASGI"
MODEL = "echo"
START_SECONDS = 20.0


@contextmanager
def upstream() -> Iterator[Contestant]:
    """The upstream on a free port; raises ContestantError."""
    port = free_port()
    command = (
        *(sys.executable, "-m", "uvicorn", "benchmarks.contestants.upstream:app"),
        *("--port", str(port), "--log-level", "warning", "--no-access-log"),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--backlog", "2048"),
    )
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        log = Path(folder) / "upstream.log"
        with listening(command, port, log, deadline_seconds=START_SECONDS) as process:
            url = f"http://127.0.0.1:{port}"
            yield Contestant(NAME, url, MODEL, lambda: {"upstream": tree(process)})


@contextmanager
def start() -> Iterator[Sequence[Contestant]]:
    """The upstream as a contestant of its own."""
    with upstream() as contestant:
        yield (contestant,)


ENTRANT = Entrant(NAME, start)
