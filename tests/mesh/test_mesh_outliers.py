"""A pod that fails is left out for a while; the last one never is."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.mesh.calls import GATEWAY, PAIR, Ended, Model, calling, statistic
from tests.mesh.world import World
from tests.stack.metrics import Metrics

from headrace_local.testing import kill

INTERVAL_SECONDS, EJECTION_SECONDS = 1.0, 2.0
"""As the values say."""
EJECTED = "headrace-inference-{}.headrace.svc.cluster.local.outlier_detection.ejections_active"
EMBEDDED = (
    'grpc_server_handled_total{code="OK",method="/headrace.inference.v1.InferenceService/Embed"}'
)
PATIENCE_SECONDS = 30.0


async def until(look: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> float:
    """Look until it is so; how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.02)
    return time.monotonic() - started


async def ejected(world: World, model: str) -> int:
    return await statistic(world.layout, GATEWAY, EJECTED.format(model))


async def test_a_pod_that_fails_is_left_out_within_the_interval_and_comes_back(
    world: World,
) -> None:
    failing = f"{PAIR}-0"
    async with calling(world.layout, GATEWAY, PAIR) as channel:
        model = Model(channel, world.stack.access.model)
        answers: list[Ended] = []

        async def is_ejected() -> bool:
            answers.append(await model.embed())
            return await ejected(world, "pair") == 1

        kill(world.stack, failing)
        assert await until(is_ejected) < INTERVAL_SECONDS
        assert any(not answer.good for answer in answers)
        others = [await model.embed() for _ in range(20)]
        assert all(answer.good for answer in others), others

        async def is_back() -> bool:
            await model.embed()
            return await ejected(world, "pair") == 0 and await _embedded(world, failing) > 0

        await until(is_back)


async def _embedded(world: World, pod: str) -> float:
    try:
        async with Metrics(world.stack, pod) as metrics:
            return await metrics.value(EMBEDDED)
    except (OSError, LookupError):
        return 0.0
