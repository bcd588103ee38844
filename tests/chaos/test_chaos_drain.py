"""SIGTERM to every service under load: what fits in the grace period ends well, all is audited."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from tests.chaos.callers import Answer, Question, Script, calling
from tests.chaos.conftest import StackFactory
from tests.chaos.ledger import assert_accounted, ledger_of, settled_rows
from tests.chaos.recovery import SERVICES, wait_for, wait_for_more
from tests.chaos.refusals import CLEAR_CODES, assert_clear
from tests.chaos.visitors import begin

from headrace_local.stack import Stack
from headrace_local.status import Phase
from headrace_local.testing import terminate

DRAIN_SECONDS = 10.0
"""Of every service in the local stack."""
LAST_WORDS_SECONDS = 4.0
"""From the end of the grace period to the end of the stream that it cut, on a busy machine."""


def _stream(words: int) -> Question:
    return Question(" ".join(f"word-{number}" for number in range(words)), streamed=True)


FITTING, TOO_LONG = _stream(100), _stream(400)
"""Five and twenty seconds at the stack's pace."""


@pytest.fixture(scope="module")
def stack(make_stack: StackFactory) -> Iterator[Stack]:
    """Answers of up to five seconds."""
    with make_stack({"inference": {"echo_token_seconds": "0.05"}}) as running:
        yield running


@pytest.mark.timeout(180)
@pytest.mark.parametrize("service", SERVICES)
async def test_no_stream_that_fits_and_no_event_is_lost(stack: Stack, service: str) -> None:
    with ledger_of(stack) as new_rows:
        ended, answers = await _terminate_under_load(stack, service)
        rows = new_rows()
    assert ended == "ended with exit code 0"
    _assert_right_or_clear(answers)
    assert_accounted(answers, rows)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("service", "code"), [("gateway", "not_serving"), ("inference", "dependency_unavailable")]
)
async def test_a_stream_that_does_not_fit_ends_with_an_error_event(
    stack: Stack, service: str, code: str
) -> None:
    crossing = await begin(stack, TOO_LONG)
    terminated_at = time.monotonic()
    ended = await asyncio.to_thread(_terminate, stack, service)
    answer = await crossing
    assert ended == "ended with exit code 0"
    assert (answer.status, answer.code, answer.broken) == (200, code, "")
    assert answer.text
    assert not answer.wrong
    assert not answer.complete
    lasted = answer.ended_at - terminated_at
    assert DRAIN_SECONDS <= lasted < DRAIN_SECONDS + LAST_WORDS_SECONDS
    [row] = [row for row in settled_rows(stack) if row.request_id == answer.request_id]
    assert (row.outcome, row.error_reason) == ("failed", code.upper())


async def _terminate_under_load(stack: Stack, service: str) -> tuple[str, list[Answer]]:
    """Returns how the process ended, and all answers; those that were begun before are good."""
    # Fewer than the model has slots: a queue would make them last longer than the grace period.
    with calling(stack, concurrency=4, script=Script(longest=100)) as load:
        await asyncio.to_thread(wait_for_more, load, 8)
        crossing = [await begin(stack, FITTING) for _ in range(3)]
        ended = await asyncio.to_thread(_terminate, stack, service)
        answers = await asyncio.gather(*crossing)
        all_is_well = partial(_answered_by_the_model, load, time.monotonic())
        await asyncio.to_thread(wait_for, all_is_well, "an answer by the model")
    assert [answer for answer in answers if not answer.good] == []
    return ended, [*answers, *load]


def _terminate(stack: Stack, service: str) -> str:
    """SIGTERM; returns how the process ended, once its successor is ready."""
    before = stack.supervisor.status(service).restarts
    terminate(stack, service)
    ended = wait_for(partial(_ending, stack, service, before), f"the end of {service}")
    wait_for(lambda: stack.supervisor.status(service).phase is Phase.READY or None, service)
    return ended


def _ending(stack: Stack, service: str, restarts: int) -> str | None:
    status = stack.supervisor.status(service)
    return status.detail if status.restarts > restarts else None


def _answered_by_the_model(load: Sequence[Answer], since: float) -> bool | None:
    return any(one.good and one.cache != "hit" for one in load if one.sent_at > since) or None


def _assert_right_or_clear(answers: Sequence[Answer]) -> None:
    """Whoever got a status line of 200 got all of the answer; others heard why not."""
    for answer in answers:
        assert not answer.broken, answer
        assert not answer.wrong, answer
        if answer.status == 200:
            assert answer.good, answer
        else:
            assert_clear(answer, CLEAR_CODES)
