"""kill -9 of every part under load: nothing that callers saw is lost, mixed up or a lie."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.chaos.callers import HUNG, Answer, calling
from tests.chaos.ledger import assert_accounted, ledger_of
from tests.chaos.recovery import (
    COMPONENTS,
    Recovery,
    kill_and_recover,
    table,
    wait_for,
    wait_for_more,
)
from tests.chaos.refusals import CLEAR_CODES, assert_clear
from tests.stack.metrics import Metrics

from headrace_common.spool.records import encode
from headrace_common.spool.segments import find_segments
from headrace_local.stack import Stack
from headrace_local.testing import processes

ROUNDS = 20
TORN_RECORD_BYTES = (1, 8, 23, 24, 25, 200, 323)
"""Cuts of a record of 24 + 300 bytes: in its marker, its header and its payload."""


def _assert_right_or_clear(answers: Sequence[Answer], recoveries: Sequence[Recovery]) -> None:
    """Right answers, clear errors, and no connection broken but by the gateway's own death."""
    assert [answer for answer in answers if answer.wrong] == []
    assert [answer for answer in answers if answer.broken == HUNG] == []
    for answer in answers:
        if answer.broken:
            assert _met_a_kill_of_the_gateway(answer, recoveries), answer
        elif not answer.good:
            assert_clear(answer, CLEAR_CODES, statuses={200, 503})


def _met_a_kill_of_the_gateway(answer: Answer, recoveries: Sequence[Recovery]) -> bool:
    return any(
        one.component == "gateway"
        and answer.sent_at <= one.dead_at
        and one.killed_at <= answer.ended_at
        for one in recoveries
    )


def _ends(answers: Sequence[Answer]) -> str:
    """For people: how many calls ended in which way."""
    ends = Counter(
        ("stream" if answer.streamed else "plain", answer.status, _end(answer))
        for answer in answers
    )
    return "\n".join(
        f"{count:>6} {kind:<6} {status:>3} {end}" for (kind, status, end), count in ends.items()
    )


def _end(answer: Answer) -> str:
    return answer.code or answer.broken or ("whole" if answer.good else "cut")


@contextmanager
def _expect_all_accounted_for(
    stack: Stack, report: Callable[[str], None]
) -> Iterator[tuple[list[Answer], list[Recovery]]]:
    """Callers for the length of the block; then what they saw must be what the audit holds."""
    recoveries: list[Recovery] = []
    with ledger_of(stack) as new_rows:
        with calling(stack) as answers:
            yield answers, recoveries
        report(f"{table(recoveries)}\n\n{_ends(answers)}")
        rows = new_rows()
    _assert_right_or_clear(answers, recoveries)
    cut = [a for a in answers if not a.request_id and _met_a_kill_of_the_gateway(a, recoveries)]
    assert_accounted(answers, rows, cut)


@pytest.mark.timeout(300)
def test_kills_one_after_the_other(stack: Stack, report: Callable[[str], None]) -> None:
    with _expect_all_accounted_for(stack, report) as (answers, recoveries):
        for component in COMPONENTS:
            wait_for_more(answers)
            recoveries.extend(kill_and_recover(stack, [component], answers))


@pytest.mark.timeout(600)
def test_kills_at_random(stack: Stack, report: Callable[[str], None]) -> None:
    with _expect_all_accounted_for(stack, report) as (answers, recoveries):
        for _ in range(ROUNDS):
            wait_for_more(answers, random.randrange(100))
            together = random.sample(COMPONENTS, random.choice((1, 1, 2, 3)))
            recoveries.extend(kill_and_recover(stack, together, answers))


@pytest.mark.timeout(300)
def test_kills_of_the_gateway_in_the_middle_of_a_spool_write(
    stack: Stack, report: Callable[[str], None]
) -> None:
    with _expect_all_accounted_for(stack, report) as (answers, recoveries):
        for size in TORN_RECORD_BYTES:
            wait_for_more(answers)
            [gateway] = processes(stack, "gateway")
            gateway.suspend()
            wait_for(partial(_stopped, gateway), "the gateway stopped")
            _begin_a_record(stack.directory.spool, size)
            recoveries.extend(kill_and_recover(stack, ["gateway"], answers))
            assert asyncio.run(_damaged_records(stack)) == 0


async def _damaged_records(stack: Stack) -> float:
    async with Metrics(stack, "gateway") as metrics:
        return await metrics.value("headrace_spool_damaged_total")


def _stopped(process: psutil.Process) -> bool | None:
    return process.status() == psutil.STATUS_STOPPED or None


def _begin_a_record(spool: Path, size: int) -> None:
    """Leave the spool as a death after `size` bytes of a record's one write would."""
    newest = find_segments(spool)[-1]
    with newest.path.open("ab") as file:
        file.write(encode(newest.marker, 1, b"t" * 300)[:size])
