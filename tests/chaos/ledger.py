"""The audit's rows of completions, to be compared with what callers saw."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import asyncpg
import httpx
from tests.chaos.callers import CHAT, Answer

from headrace_local.stack import Stack

DELIVERY_SECONDS = 60.0
ROWS = (
    "SELECT event_id::text, request_id, outcome, error_reason, http_status FROM audit.events"
    " WHERE operation = $1"
)
PROXY_ERROR = "proxy_error"
"""The code of Envoy's own answers, which name no request of ours."""


@dataclass(frozen=True, slots=True)
class Row:
    """One audited completion."""

    event_id: str
    request_id: str
    outcome: str
    error_reason: str | None
    http_status: int


def settled_rows(stack: Stack) -> list[Row]:
    """All rows, read when the gateway's spool holds nothing any more."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while undelivered(stack):
        assert time.monotonic() < deadline, f"not delivered after {DELIVERY_SECONDS} s"
        time.sleep(0.05)  # delivery tells nobody
    return asyncio.run(_read(stack))


async def _read(stack: Stack) -> list[Row]:
    sockets = str(stack.plan.runtime / "postgres")
    connection = await asyncpg.connect(
        host=sockets, user="postgres", database="headrace", timeout=10
    )
    try:
        return [Row(**row) for row in await connection.fetch(ROWS, f"POST {CHAT}", timeout=30)]
    finally:
        await connection.close(timeout=10)


def undelivered(stack: Stack) -> float:
    """How many records wait in the gateway's spool."""
    return metric(stack, "gateway", "headrace_spool_records")


def metric(stack: Stack, service: str, name: str) -> float:
    """A sample without labels from a service's metrics."""
    address = stack.plan.address(f"{service}_metrics")
    text = httpx.get(f"http://{address}/metrics", timeout=5, trust_env=False).text
    [value] = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(value)


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
