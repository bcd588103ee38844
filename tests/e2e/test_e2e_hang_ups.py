"""Callers who leave, at each stage of a request: the engine is free at once, the audit knows.

Tokens used: the gateway counts them as they pass it. So the audit has at least what the caller got,
and at most what the engine counted; between the two lies one token of each pass that was in flight
when the caller left. Whoever leaves after the last token has used exactly all of them.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from tests.e2e.calls import Call
from tests.e2e.scene import RUNNING, STORY, WAITING, Scene, expect_in_time

from headrace_local.stack import Stack
from headrace_local.testing import frozen

SLOTS = 8
ROUNDS = 60
IDENTIFIED = 'headrace_gateway_stage_seconds_count{stage="identify"}'
LONG_STORY = f"Go on: {'the river ran and ran ' * 220}"
"""Over 1,000 tokens: nine chunks of the stack's 128."""

NewScene = Callable[[], Scene]

streamed_and_plain = pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])


@pytest.fixture
def new_scene(stack: Stack, trust: ssl.SSLContext, report: Callable[[str], None]) -> NewScene:
    return partial(Scene, stack, trust, report)


@pytest.fixture
async def scene(new_scene: NewScene) -> AsyncIterator[Scene]:
    async with new_scene() as made:
        yield made


def _assert_cancelled(row: Any, *, prompt_tokens: int, completion_tokens: int) -> None:
    assert (row["outcome"], row["error_reason"]) == ("cancelled", "CANCELLED")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (prompt_tokens, completion_tokens)


@streamed_and_plain
async def test_before_admission_answers(scene: Scene, stream: bool) -> None:
    identified = await scene.gateway.value(IDENTIFIED)
    with frozen(scene.stack, "redis"):
        leaver = await scene.leaver(stream=stream)
        await scene.gateway.until(IDENTIFIED, identified + 1)
        await leaver.hang_up()
        row = await scene.row()
    _assert_cancelled(row, prompt_tokens=0, completion_tokens=0)
    assert row["user_id"]
    assert row["model_version"] is None, "it was further than admission"
    await scene.witness.more(2)
    assert await scene.inference.value(RUNNING) == 1
    assert await scene.used() == (0, 0)
    async with await scene.join(max_tokens=1, stream=False) as next_caller:
        await next_caller.end()
    assert next_caller.done


@streamed_and_plain
async def test_in_the_queue(new_scene: NewScene, stream: bool) -> None:
    await expect_in_time(new_scene, partial(_in_the_queue, stream=stream))


async def _in_the_queue(scene: Scene, stream: bool) -> None:
    for _ in range(SLOTS - 1):
        await scene.join()
    await scene.inference.until(RUNNING, SLOTS)
    leaver = await scene.leaver(stream=stream)
    await scene.inference.until(WAITING, 1)
    gone = await leaver.hang_up()
    await scene.measure(gone, await scene.inference.until(WAITING, 0))
    assert await scene.inference.value(RUNNING) == SLOTS
    _assert_cancelled(await scene.row(), prompt_tokens=0, completion_tokens=0)
    assert await scene.used() == (0, 0)


@streamed_and_plain
async def test_before_the_first_token(new_scene: NewScene, stream: bool) -> None:
    await expect_in_time(new_scene, partial(_before_the_first_token, stream=stream))


async def _before_the_first_token(scene: Scene, stream: bool) -> None:
    leaver = await scene.leaver(LONG_STORY, stream=stream)
    await scene.inference.until(RUNNING, 2)
    await scene.witness.more(3)  # each beside one chunk of the prompt
    gone = await leaver.hang_up()
    await scene.measure(gone, await scene.inference.until(RUNNING, 1))
    prompt_tokens, completion_tokens = await scene.used()
    assert (prompt_tokens > 1000, completion_tokens) == (True, 0)
    _assert_cancelled(await scene.row(), prompt_tokens=prompt_tokens, completion_tokens=0)


@streamed_and_plain
@pytest.mark.parametrize("others", [1, SLOTS - 1])
async def test_in_the_middle(new_scene: NewScene, stream: bool, others: int) -> None:
    await expect_in_time(new_scene, partial(_in_the_middle, stream=stream, others=others))


async def _in_the_middle(scene: Scene, stream: bool, others: int) -> None:
    for _ in range(others - 1):
        await scene.join()
    await scene.inference.until(RUNNING, others)
    leaver = await scene.leaver(stream=stream)
    await scene.inference.until(RUNNING, others + 1)
    await scene.witness.more(8)  # one of them beside the leaver's prompt
    gone = await leaver.hang_up()
    back = await scene.inference.until(RUNNING, others)
    passes = await scene.measure(gone, back)
    prompt_tokens, counted = await scene.used()
    row = await scene.row()
    audited = row["completion_tokens"]
    scene.report(f"tokens: {len(leaver.tokens)} received, {audited} audited, {counted} counted")
    _assert_cancelled(row, prompt_tokens=prompt_tokens, completion_tokens=audited)
    assert audited > 0
    assert len(leaver.tokens) <= audited <= counted <= audited + passes


@streamed_and_plain
async def test_after_the_last_token(scene: Scene, stream: bool) -> None:
    leaver = await scene.leaver(f"{STORY} {uuid4()}", stream=stream, temperature=0, max_tokens=12)
    await scene.inference.until(RUNNING, 2)
    with frozen(scene.stack, "cache"):  # which holds the end of the answer up
        await scene.inference.until(RUNNING, 1)
        await (leaver.finish() if stream else scene.witness.more(2))
        await leaver.hang_up()
        row = await scene.row()
    assert not leaver.done
    prompt_tokens, counted = await scene.used()
    assert counted == 12
    _assert_cancelled(row, prompt_tokens=prompt_tokens, completion_tokens=counted)


async def _leave_at_random(stack: Stack, trust: ssl.SSLContext) -> None:
    wanted = {"stream": True, "n": random.choice((1, 2)), "max_tokens": 1500}
    async with Call(stack, trust, STORY, **wanted):
        await asyncio.sleep(random.uniform(0.005, 0.3))


async def test_after_many_hang_ups_the_next_caller_is_answered_at_once(
    stack: Stack, trust: ssl.SSLContext
) -> None:
    for _ in range(ROUNDS // 15):
        await asyncio.gather(*(_leave_at_random(stack, trust) for _ in range(15)))
    async with Call(stack, trust, "Why is the sky blue?", max_tokens=8) as next_caller:
        async with asyncio.timeout(20):
            await next_caller.end()
    assert next_caller.tokens
