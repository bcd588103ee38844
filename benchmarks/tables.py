"""The gateway benchmark's cells as tables, ratios and targets."""

from collections.abc import Callable, Iterator, Sequence

from rich.table import Table

from benchmarks import litellm, portkey
from benchmarks.cells import REFERENCE_CONCURRENCY, Cell
from benchmarks.contestants import GATEWAY, HEADRACE, INFERENCE
from benchmarks.kinds import CACHED, LONG, PLAIN, STREAM_WORDS, STREAMED, Kind
from benchmarks.load import Summary
from benchmarks.report import Target, table

LATENCIES = ("p50 ms", "p95 ms", "p99 ms", "max ms")
COSTS = ("CPU ms/request", "MB", "errors")
NOTHING = "-"


def tables(cells: Sequence[Cell]) -> Iterator[Table]:
    """All there are, in the order of a report."""
    yield _plain([cell for cell in cells if cell.kind != STREAMED.name])
    yield _streamed([cell for cell in cells if cell.kind == STREAMED.name])
    yield _split([cell for cell in cells if cell.concurrency == REFERENCE_CONCURRENCY])
    yield _ratios(cells)


def targets(cells: Sequence[Cell]) -> Iterator[Target]:
    """What the project asks of this benchmark."""
    measured = Measured(cells)
    for rival, wanted in ((litellm.NAME, 15.0), (portkey.NAME, 2.0)):
        ratio = measured.ratio(rival, PLAIN.name, REFERENCE_CONCURRENCY)
        yield Target(f"requests/s against {rival} at {REFERENCE_CONCURRENCY}", ratio, wanted)
    added = measured.added(PLAIN, lambda cell: cell.outcome.latency.p50)
    yield Target("p50 added to inference's, one at a time, ms", added, 2.5, at_most=True)
    crowd = measured.find(HEADRACE, PLAIN.name, REFERENCE_CONCURRENCY)
    p99 = _in_milliseconds(crowd.outcome.latency.p99 if crowd else None)
    yield Target(f"p99 at {REFERENCE_CONCURRENCY}, ms", p99, 60.0, at_most=True)
    most = measured.find(HEADRACE, PLAIN.name, 256)
    kept = most.outcome.per_second / crowd.outcome.per_second if most and crowd else None
    yield Target(f"requests/s at 256 against {REFERENCE_CONCURRENCY}", kept, 0.9)
    streams = measured.find(HEADRACE, STREAMED.name, 64)
    tokens = streams.outcome.per_second * STREAM_WORDS if streams else None
    yield Target("tokens/s to 64 readers", tokens, 8000.0)
    first = measured.added(STREAMED, lambda cell: cell.outcome.first_token.p50)
    yield Target("p50 added to the first token, ms", first, 3.0, at_most=True)
    long = measured.added(LONG, lambda cell: cell.outcome.latency.p50)
    yield Target("p50 added by a prompt of 220 KB, ms", long, 15.0, at_most=True)
    cached = measured.find(HEADRACE, CACHED.name, 64)
    yield Target("cache hits/s at 64", cached.outcome.per_second if cached else None, 800.0)
    errors = sum(cell.outcome.errors for cell in cells if cell.contestant in (HEADRACE, GATEWAY))
    yield Target("errors", float(errors), 0.0, at_most=True)


class Measured:
    """Cells, found by what was measured."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = {(cell.contestant, cell.kind, cell.concurrency): cell for cell in cells}

    def find(self, contestant: str, kind: str, concurrency: int) -> Cell | None:
        """None if it was not measured."""
        return self._cells.get((contestant, kind, concurrency))

    def ratio(self, rival: str, kind: str, concurrency: int) -> float | None:
        """Headrace's requests per second by a rival's; None if one of them was not measured."""
        ours = self.find(HEADRACE, kind, concurrency)
        theirs = self.find(rival, kind, concurrency)
        if not ours or not theirs or not theirs.outcome.answered:
            return None
        return ours.outcome.per_second / theirs.outcome.per_second

    def added(self, kind: Kind, read: Callable[[Cell], float | None]) -> float | None:
        """Milliseconds that the whole way takes beyond inference's own, asked one at a time."""
        cells = [self.find(name, kind.name, 1) for name in (HEADRACE, INFERENCE)]
        ours, theirs = (read(cell) if cell else None for cell in cells)
        return _in_milliseconds(ours - theirs if ours and theirs else None)


def _plain(cells: Sequence[Cell]) -> Table:
    columns = ("contestant", "question", "concurrency", "requests/s", *LATENCIES, *COSTS)
    rows = [
        (
            cell.contestant,
            cell.kind,
            *_start(cell)[1:],
            *_latencies(cell.outcome.latency),
            *_costs(cell),
        )
        for cell in cells
    ]
    return table("Chat completions answered whole", columns, rows)


def _streamed(cells: Sequence[Cell]) -> Table:
    first = tuple(f"TTFT {name}" for name in LATENCIES)
    columns = ("contestant", "concurrency", "streams/s", *first, "whole p50 ms", *COSTS)
    rows = [
        (
            *_start(cell),
            *_latencies(cell.outcome.first_token),
            _milliseconds(cell.outcome.latency.p50),
            *_costs(cell),
        )
        for cell in cells
    ]
    return table("Streamed chat completions of 32 words", columns, rows)


def _split(cells: Sequence[Cell]) -> Table:
    """CPU time per request by part, for contestants of several parts."""
    shown = [cell for cell in cells if len(cell.cpu_seconds) > 1]
    parts = dict.fromkeys(part for cell in shown for part in cell.cpu_seconds)
    names = (
        f"{cell.contestant}{', streamed' if cell.kind == STREAMED.name else ''}" for cell in shown
    )
    rows = [
        (part or "total", *(_milliseconds(cell.cpu_per_request(part), digits=3) for cell in shown))
        for part in (*parts, None)
    ]
    title = f"CPU ms/request by process at concurrency {REFERENCE_CONCURRENCY}"
    return table(title, ("part", *names), rows)


def _ratios(cells: Sequence[Cell]) -> Table:
    """How many times the requests per second of each other contestant Headrace answers."""
    rivals = list(dict.fromkeys(c.contestant for c in cells if c.contestant != HEADRACE))
    loads = dict.fromkeys((cell.kind, cell.concurrency) for cell in cells)
    measured, rows = Measured(cells), []
    for kind, concurrency in loads:
        ratios = (measured.ratio(rival, kind, concurrency) for rival in rivals)
        times = (NOTHING if value is None else f"{value:.2f}" for value in ratios)
        rows.append((kind, str(concurrency), *times))
    columns = ("headrace's requests/s", "concurrency", *(f"x {rival}" for rival in rivals))
    return table("Ratios", columns, rows)


def _start(cell: Cell) -> tuple[str, ...]:
    return cell.contestant, str(cell.concurrency), f"{cell.outcome.per_second:.0f}"


def _latencies(summary: Summary) -> tuple[str, ...]:
    percentiles = (summary.p50, summary.p95, summary.p99)
    maximum = _milliseconds(summary.maximum if summary.count else None)
    count = "" if summary.p50 is not None else f" of {summary.count}"
    return (*(_milliseconds(value) for value in percentiles), f"{maximum}{count}")


def _costs(cell: Cell) -> tuple[str, ...]:
    at_least = "" if cell.came_to_rest else ">= "
    cpu = _milliseconds(cell.cpu_per_request(), digits=2)
    return f"{at_least}{cpu}", f"{cell.memory_bytes / 2**20:.0f}", str(cell.outcome.errors)


def _in_milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _milliseconds(seconds: float | None, digits: int = 1) -> str:
    return NOTHING if seconds is None else f"{seconds * 1000:.{digits}f}"
