"""Streams that run together say what each of them says alone, as far as rounding allows."""

import asyncio
import ssl
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest
from tests.e2e.calls import Call

from headrace_local.stack import Stack

STREAMS = 32
SLOTS = 8
ANSWER_TOKENS = 16
SUBJECTS = (
    *("the sea", "a clock", "iron", "bread", "a lost dog", "winter", "the moon", "chess"),
    *("a bridge", "rain", "tea", "a violin", "salt", "the desert", "a train", "honey"),
    *("a mirror", "fire", "maps", "a lighthouse", "cotton", "the wind", "a library", "gold"),
    *("snow", "a market", "bees", "an old ship", "glass", "a garden", "sleep", "the stars"),
)
SHIFT_OF_TWO = 2
"""Two tokens can only change places if their distance is less than what both may have moved."""


async def _ask(stack: Stack, trust: ssl.SSLContext, subject: str, top_logprobs: int) -> Call:
    # How many logprobs are wanted changes the cache's key and nothing of what is generated.
    call = Call(
        stack,
        trust,
        f"Write a story about {subject}.",
        stream=True,
        temperature=0,
        max_tokens=ANSWER_TOKENS,
        top_logprobs=top_logprobs,
    )
    async with call:
        await call.end()
    return call


async def _ask_alone_and_together(
    stack: Stack, trust: ssl.SSLContext
) -> tuple[list[Call], list[Call]]:
    alone = [await _ask(stack, trust, subject, 2) for subject in SUBJECTS]
    asked = (_ask(stack, trust, subject, 3) for subject in SUBJECTS)
    return alone, await asyncio.gather(*asked)


def _common(alone: Call, together: Call) -> int:
    """How many tokens are the same before the first difference."""
    pairs = zip(alone.tokens, together.tokens, strict=False)
    return len(list(takewhile(lambda pair: pair[0]["bytes"] == pair[1]["bytes"], pairs)))


def _shifts(alone: Call, together: Call) -> list[float]:
    """How far log probabilities moved where both had the same tokens before them."""
    same = _common(alone, together)
    pairs = zip(alone.tokens[:same], together.tokens[:same], strict=True)
    return [abs(one["logprob"] - other["logprob"]) for one, other in pairs]


def _distance(token: dict[str, Any]) -> float:
    """Between the two best tokens at this place."""
    best, second = token["top_logprobs"]
    return float(best["logprob"] - second["logprob"])


def _most_at_once(calls: list[Call]) -> int:
    """How many streams were amid their text at the same time."""
    spans = [(call.arrivals[0], call.arrivals[-1]) for call in calls]
    return max(sum(first <= now <= last for first, last in spans) for now, _ in spans)


def _assert_complete(call: Call) -> None:
    assert (call.status, call.done, call.finish_reason) == (200, True, "length")
    assert call.headers["x-headrace-cache"] == "miss"
    assert len(call.tokens) == ANSWER_TOKENS
    assert call.ids == {f"chatcmpl-{call.headers['x-request-id']}"}
    assert b"".join(bytes(token["bytes"]) for token in call.tokens).decode() == call.text


@pytest.mark.timeout(360)  # 64 answers of a real model, which a busy machine writes slowly
async def test_streams_that_run_together_say_what_each_says_alone(
    stack: Stack, trust: ssl.SSLContext, report: Callable[[str], None]
) -> None:
    alone, together = await _ask_alone_and_together(stack, trust)
    for call in (*alone, *together):
        _assert_complete(call)
    assert _most_at_once(together) >= SLOTS
    texts = [call.text for call in alone]
    assert len(set(texts)) == STREAMS
    pairs = list(zip(alone, together, strict=True))
    epsilon = SHIFT_OF_TWO * max(shift for pair in pairs for shift in _shifts(*pair))
    places = [(one, _common(one, other)) for one, other in pairs]
    distances = [_distance(one.tokens[at]) for one, at in places if at < ANSWER_TOKENS]
    report(
        f"{len(distances)} of {STREAMS} streams differ from their lone runs where the two best"
        f" tokens are {[float(f'{each:.2g}') for each in distances]} apart; epsilon {epsilon:.2g}"
    )
    for number, call in enumerate(together):
        assert call.text not in texts[:number] + texts[number + 1 :]
    assert all(distance < epsilon for distance in distances)
