"""kill -9 of the inference service while a real model answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest
from tests.chaos.callers import Answer, Question, ask, client_of
from tests.chaos.conftest import StackFactory
from tests.chaos.ledger import assert_accounted, ledger_of
from tests.chaos.recovery import RECOVERY_SECONDS
from tests.chaos.refusals import assert_clear
from tests.stack.completions import CHAT, event_of

from headrace_local.stack import Stack
from headrace_local.testing import kill

STORY = Question("Write a very long story about a river.", streamed=True, max_tokens=1500)
BRIEF = Question("Why is the sky blue?", max_tokens=8)
ERROR_EVENT_SECONDS = 1.0
"""The kernel closes a dead server's connection at once, and no deadline has to pass."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a stream and the requests after it met."""

    request_id: str
    events: list[str]
    """Of the stream, after the kill."""
    ended_seconds: float
    """From the kill until the stream's end."""
    answers: list[Answer]
    """To what was asked then, up to the first good one."""
    recovered_seconds: float


@pytest.mark.timeout(300)
def test_a_killed_model(make_stack: StackFactory, report: Callable[[str], None]) -> None:
    with make_stack(engine="llamacpp") as stack, ledger_of(stack) as new_rows:
        met = asyncio.run(_kill_mid_stream(stack))
        rows = new_rows()
    report(
        f"stream ended {met.ended_seconds:.2f} s after the kill, {len(met.answers) - 1} requests"
        f" were refused, a good answer came after {met.recovered_seconds:.2f} s"
    )
    error = event_of(met.events[-1])["error"]
    assert error["code"] == "dependency_unavailable"
    assert error["request_id"] == met.request_id
    assert met.ended_seconds < ERROR_EVENT_SECONDS
    *refused, good = met.answers
    assert refused
    assert good.text
    for answer in refused:
        assert_clear(answer, {"dependency_unavailable", "not_serving"})
    [row] = [row for row in rows if row.request_id == met.request_id]
    assert (row.outcome, row.error_reason) == ("failed", "DEPENDENCY_UNAVAILABLE")
    assert_accounted(met.answers, [other for other in rows if other is not row])


async def _kill_mid_stream(stack: Stack) -> Aftermath:
    async with asyncio.timeout(2 * RECOVERY_SECONDS), client_of(stack) as client:
        async with client.stream("POST", CHAT, json=STORY.body()) as response:
            lines = response.aiter_lines()
            await _until_it_speaks(lines)
            killed_at = time.monotonic()
            kill(stack, "inference")
            events = [line async for line in lines if line]
            ended_seconds = time.monotonic() - killed_at
        answers = await _ask_until_answered(client)
    return Aftermath(
        response.headers["x-request-id"],
        events,
        ended_seconds,
        answers,
        time.monotonic() - killed_at,
    )


async def _until_it_speaks(lines: AsyncIterator[str]) -> None:
    async for line in lines:
        if '"delta":{"content"' in line:
            return


async def _ask_until_answered(client: httpx.AsyncClient) -> list[Answer]:
    answers = [await ask(client, BRIEF)]
    while not answers[-1].good:
        await asyncio.sleep(0.1)  # as a caller would
        answers.append(await ask(client, BRIEF))
    return answers
