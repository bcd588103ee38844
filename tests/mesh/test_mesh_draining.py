"""Pods end, and no answer that has begun is lost, nor one that is asked for meanwhile."""

import asyncio

import pytest
from tests.chaos.callers import Answer, Question, ask, client_of
from tests.chaos.visitors import begin
from tests.mesh.calls import GATEWAY, PAIR
from tests.mesh.layout import INGRESS
from tests.mesh.lives import ending
from tests.mesh.world import World
from tests.stack.metrics import Metrics

STREAM = Question(" ".join(f"word-{number}" for number in range(150)), streamed=True)
"""Of three seconds."""


async def test_a_model_pod_that_ends_loses_no_stream_and_no_request(world: World) -> None:
    pod = f"{PAIR}-0"
    crossing = await _begun(world, 8)
    async with Metrics(world.stack, pod) as metrics:
        assert await metrics.value("llm_requests_running") > 0
    async with ending(world, pod, GATEWAY, PAIR), client_of(world.stack) as client:
        later = [await ask(client, Question(f"later {number}")) for number in range(30)]
        answers = await asyncio.gather(*crossing)
    assert [answer for answer in (*answers, *later) if not answer.good or answer.wrong] == []


async def test_a_gateway_that_ends_loses_no_stream(world: World) -> None:
    crossing = await _begun(world, 4)
    async with ending(world, GATEWAY, INGRESS.name, "headrace-gateway"):
        answers = await asyncio.gather(*crossing)
    assert [answer for answer in answers if not answer.good or answer.wrong] == []
    async with client_of(world.stack) as client:
        assert (await ask(client, Question("and it is back"))).good


async def _begun(world: World, count: int) -> list[asyncio.Task[Answer]]:
    return [await begin(world.stack, STREAM) for _ in range(count)]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_stream_of_two_minutes_survives(world: World) -> None:
    words = 6000  # fifty a second
    question = Question(" ".join("w" for _ in range(words)), streamed=True)
    async with client_of(world.stack) as client:
        answer = await ask(client, question, patience_seconds=200)
    assert answer.good, answer.code
    assert not answer.wrong
    assert answer.seconds >= 120
