"""A canary gets its share of requests that name no version, and all of those that name it."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.callers import client_of
from tests.mesh.calls import GATEWAY, Ended, Model, calling
from tests.mesh.world import World
from tests.stack.completions import CHAT
from tests.stack.metrics import Metrics

SHARED = "headrace-inference-shared"
STABLE, CANARY = f"{SHARED}-0", f"{SHARED}-canary-0"
SERVICE = "/headrace.inference.v1.InferenceService"
REQUESTS, SHARE = 2000, 0.1
CALLERS = 16


@asynccontextmanager
async def shared_model(world: World) -> AsyncIterator[Model]:
    async with calling(world.layout, GATEWAY, SHARED) as channel:
        yield Model(channel, "shared")


async def answered(world: World, method: str) -> dict[str, int]:
    """By pod, as the servers count."""
    sample = f'grpc_server_handled_total{{code="OK",method="{SERVICE}/{method}"}}'
    counts = {}
    for pod in (STABLE, CANARY):
        async with Metrics(world.stack, pod) as metrics:
            try:
                counts[pod] = int(await metrics.value(sample))
            except LookupError:  # nobody asked yet
                counts[pod] = 0
    return counts


async def test_a_canary_gets_its_share_of_two_thousand_requests(world: World) -> None:
    before = await answered(world, "Embed")
    async with shared_model(world) as model:
        turns = iter(range(REQUESTS))

        async def ask() -> list[Ended]:
            return [await model.embed() for _ in turns]

        answers = await asyncio.gather(*(ask() for _ in range(CALLERS)))
    after = await answered(world, "Embed")
    assert [answer for some in answers for answer in some if not answer.good] == []
    got = {pod: after[pod] - before[pod] for pod in after}
    assert sum(got.values()) == REQUESTS
    sigma = math.sqrt(REQUESTS * SHARE * (1 - SHARE))
    assert abs(got[CANARY] - REQUESTS * SHARE) < 4 * sigma


async def test_a_cohort_sticks(world: World) -> None:
    before = await answered(world, "Embed")
    async with shared_model(world) as model:
        for cohort, count in (("canary", 30), ("stable", 40)):
            for _ in range(count):
                assert (await model.embed(cohort)).good
    after = await answered(world, "Embed")
    assert {pod: after[pod] - before[pod] for pod in after} == {CANARY: 30, STABLE: 40}


async def test_who_names_the_canary_at_the_front_door_gets_it(world: World) -> None:
    before = await answered(world, "Generate")
    async with client_of(world.stack) as client:
        for cohort, count in (("canary", 5), ("stable", 7)):
            for number in range(count):
                messages = [{"role": "user", "content": f"{cohort} {number}"}]
                answer = await client.post(
                    CHAT,
                    json={"model": "shared", "messages": messages},
                    headers={"x-headrace-cohort": cohort},
                )
                assert answer.status_code == 200, answer.text
                assert answer.headers["x-headrace-cohort"] == cohort
    after = await answered(world, "Generate")
    assert {pod: after[pod] - before[pod] for pod in after} == {CANARY: 5, STABLE: 7}
