"""The engines' cells as tables and targets."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from benchmarks.engine_speed import LONG, SHORT, Cell, Footprint
from benchmarks.load import nearest_rank
from benchmarks.report import Target, table

HEADRACE = "headrace llamacpp"
HEADRACE_ALONE = "headrace llamacpp, set for cores of its own"
SERVER, SERVER_Q4_1 = "xllamacpp server", "xllamacpp server, Q4_1"
HEADRACE_OPENAI = "headrace openai, xllamacpp server behind it"
HEADRACE_TRANSFORMERS = "headrace transformers"
GENERATE = "transformers generate, static batches"
CONTINUOUS = "transformers' continuous batching"
NOTHING = "-"


def tables(cells: Sequence[Cell], footprints: Sequence[Footprint]) -> Iterator[Table]:
    """Speed by length of prompt, then what each contestant needs."""
    for tokens in (SHORT, LONG):
        chosen = [cell for cell in cells if cell.load.prompt_tokens == tokens]
        if chosen:
            yield _speed(f"Prompts of about {tokens} tokens, answers of 64", chosen)
    rows = [
        (each.contestant, f"{each.start_seconds:.1f}", f"{each.peak_bytes / 2**20:.0f}")
        for each in footprints
    ]
    yield table("What they need", ("contestant", "start s", "peak MB"), rows)


def targets(cells: Sequence[Cell]) -> Iterator[Target]:
    """What issue 5 asks for."""
    for load in dict.fromkeys(
        (cell.load.prompt_tokens, cell.load.concurrency)
        for cell in cells
        if cell.contestant == HEADRACE
    ):
        yield _target(cells, HEADRACE, SERVER, load, 0.97)
    for concurrency, wanted in ((8, 1.4), (32, 1.6)):
        yield _target(cells, HEADRACE, SERVER_Q4_1, (SHORT, concurrency), wanted)
    for concurrency, wanted in ((1, 1.0), (8, 1.5), (32, 1.5)):
        yield _target(cells, HEADRACE_TRANSFORMERS, GENERATE, (SHORT, concurrency), wanted)


def _speed(title: str, cells: Sequence[Cell]) -> Table:
    times = tuple(f"{what} {rank}" for what in ("TTFT ms", "TPOT ms") for rank in ("p50", "p95"))
    rows = [
        (
            cell.contestant,
            str(cell.load.concurrency),
            f"{cell.tokens_per_second:.1f}",
            *_percentiles([heard.first for heard in cell.heard]),
            *_percentiles([s for heard in cell.heard if (s := heard.per_token) is not None]),
            str(len(cell.heard)),
        )
        for cell in sorted(cells, key=lambda cell: cell.load.concurrency)
    ]
    return table(title, ("contestant", "concurrency", "tokens/s", *times, "answers"), rows)


def _target(
    cells: Sequence[Cell], ours: str, rival: str, load: tuple[int, int], wanted: float
) -> Target:
    speeds = {
        cell.contestant: cell.tokens_per_second
        for cell in cells
        if (cell.load.prompt_tokens, cell.load.concurrency) == load
    }
    measured = speeds[ours] / speeds[rival] if {ours, rival} <= speeds.keys() else None
    tokens, concurrency = load
    name = f"{ours} against {rival}, {tokens} tokens, concurrency {concurrency}"
    return Target(name, measured, wanted)


def _percentiles(seconds: Sequence[float]) -> tuple[str, ...]:
    """Of however few there are: the column of answers says how many."""
    ranked = sorted(seconds)
    if not ranked:
        return NOTHING, NOTHING
    return tuple(f"{nearest_rank(ranked, percent) * 1e3:.0f}" for percent in (50, 95))
