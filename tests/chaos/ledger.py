"""The audit's rows of completions, to be compared with what callers saw."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from anyio.from_thread import start_blocking_portal
from tests.chaos.callers import Answer
from tests.stack.audit import rows_where
from tests.stack.completions import CHAT
from tests.stack.metrics import Metrics

from headrace_local.stack import Stack

SPOOLED = "headrace_spool_records"


@dataclass(frozen=True, slots=True)
class Row:
    """One audited completion."""

    event_id: str
    request_id: str
    outcome: str
    error_reason: str | None
    http_status: int


@contextmanager
def ledger_of(stack: Stack) -> Iterator[Callable[[], list[Row]]]:
    """Yields what tells the settled rows that were not there when the block began."""
    before = frozenset(settled_rows(stack))
    yield lambda: [row for row in settled_rows(stack) if row not in before]


def settled_rows(stack: Stack) -> list[Row]:
    """All rows, read when the gateway's spool holds nothing any more; blocks until then."""
    with start_blocking_portal() as portal:  # for callers with and without a loop of their own
        return portal.call(_settled_rows, stack)


async def _settled_rows(stack: Stack) -> list[Row]:
    async with Metrics(stack, "gateway") as metrics:
        await metrics.until(SPOOLED, 0)
    return [
        Row(
            str(row["event_id"]),
            row["request_id"],
            row["outcome"],
            row["error_reason"],
            row["http_status"],
        )
        for row in await rows_where(stack, "operation = $1", f"POST {CHAT}")
    ]


def assert_accounted(
    answers: Sequence[Answer], rows: Sequence[Row], unanswered: Collection[Answer] = ()
) -> None:
    """Every call that its caller knows by an id is one row, and tells the same.

    Other rows can only be those of `unanswered`, whose callers heard nothing from the gateway.
    """
    recorded = {row.request_id: row for row in rows}
    assert len(recorded) == len(rows), "a request has several rows"
    assert all(row.event_id == row.request_id for row in rows)
    seen = {answer.request_id: answer for answer in answers if answer.request_id}
    assert [answer for id_, answer in seen.items() if id_ not in recorded] == []
    unseen = [row for row in rows if row.request_id not in seen]
    assert len(unseen) <= len(unanswered), unseen
    for request_id, answer in seen.items():
        _assert_row_tells_the_same(answer, recorded[request_id])


def _assert_row_tells_the_same(answer: Answer, row: Row) -> None:
    """A row may know more than a caller who was cut off, but nothing else."""
    if answer.good:
        assert (row.outcome, row.http_status) == ("succeeded", 200), (answer, row)
    elif answer.complete:
        assert row.http_status == answer.status, (answer, row)
    elif answer.code:
        assert (row.error_reason or "").lower() == answer.code, (answer, row)
