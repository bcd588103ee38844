"""The gateway benchmark's cells as tables, ratios and targets."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from benchmarks import litellm
from benchmarks.cells import REFERENCE_CONCURRENCY, Cell
from benchmarks.contestants import HEADRACE
from benchmarks.load import Summary
from benchmarks.report import Target, table

LATENCIES = ("p50 ms", "p95 ms", "p99 ms", "max ms")
COSTS = ("CPU ms/request", "MB", "errors")
NOTHING = "-"


def tables(cells: Sequence[Cell]) -> Iterator[Table]:
    """All there are, in the order of a report."""
    yield _plain([cell for cell in cells if not cell.streamed])
    yield _streamed([cell for cell in cells if cell.streamed])
    yield _split([cell for cell in cells if cell.concurrency == REFERENCE_CONCURRENCY])
    yield _ratios(cells)


def targets(cells: Sequence[Cell]) -> Iterator[Target]:
    """What the project asks of this benchmark."""
    yield Target(
        f"requests/s against litellm at concurrency {REFERENCE_CONCURRENCY}",
        _ratio(cells, litellm.NAME, False, REFERENCE_CONCURRENCY),
        wanted=4.0,
    )


def _plain(cells: Sequence[Cell]) -> Table:
    columns = ("contestant", "concurrency", "requests/s", *LATENCIES, *COSTS)
    rows = [(*_start(cell), *_latencies(cell.outcome.latency), *_costs(cell)) for cell in cells]
    return table("Plain chat completions", columns, rows)


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
    names = (f"{cell.contestant}{', streamed' if cell.streamed else ''}" for cell in shown)
    rows = [
        (part or "total", *(_milliseconds(cell.cpu_per_request(part), digits=3) for cell in shown))
        for part in (*parts, None)
    ]
    title = f"CPU ms/request by process at concurrency {REFERENCE_CONCURRENCY}"
    return table(title, ("part", *names), rows)


def _ratios(cells: Sequence[Cell]) -> Table:
    """How many times the requests per second of each other contestant Headrace answers."""
    rivals = list(dict.fromkeys(c.contestant for c in cells if c.contestant != HEADRACE))
    loads = dict.fromkeys((cell.streamed, cell.concurrency) for cell in cells)
    rows = []
    for streamed, concurrency in loads:
        ratios = (_ratio(cells, rival, streamed, concurrency) for rival in rivals)
        times = (NOTHING if value is None else f"{value:.2f}" for value in ratios)
        rows.append(("streamed" if streamed else "plain", str(concurrency), *times))
    columns = ("headrace's requests/s", "concurrency", *(f"x {rival}" for rival in rivals))
    return table("Ratios", columns, rows)


def _ratio(cells: Sequence[Cell], rival: str, streamed: bool, concurrency: int) -> float | None:
    """Headrace's requests per second by a rival's; None if one of them was not measured."""
    speeds = {
        cell.contestant: cell.outcome.per_second
        for cell in cells
        if (cell.streamed, cell.concurrency) == (streamed, concurrency)
    }
    if HEADRACE not in speeds or not speeds.get(rival):
        return None
    return speeds[HEADRACE] / speeds[rival]


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


def _milliseconds(seconds: float | None, digits: int = 1) -> str:
    return NOTHING if seconds is None else f"{seconds * 1000:.{digits}f}"
