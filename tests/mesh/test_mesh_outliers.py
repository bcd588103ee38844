"""A pod that fails is left out for a while; the last one never is."""

from pathlib import Path

import httpx
import pytest
from tests.chaos.callers import client_of
from tests.mesh.calls import GATEWAY, PAIR, Ended, Model, calling, statistic
from tests.mesh.layout import INGRESS
from tests.mesh.lives import back, restarts, until
from tests.mesh.second_mesh import second_mesh
from tests.mesh.world import World
from tests.stack.completions import CHAT
from tests.stack.metrics import Metrics

from headrace_local.testing import kill

INTERVAL_SECONDS = 2.0
"""As the values say."""
DETECTION = "headrace-inference-{}.headrace.svc.cluster.local.outlier_detection.{}"
GATEWAYS_LEFT_OUT = (
    "ingress|8080||headrace-gateway.headrace.svc.cluster.local.outlier_detection.ejections_active"
)
EMBEDDED = (
    'grpc_server_handled_total{code="OK",method="/headrace.inference.v1.InferenceService/Embed"}'
)


async def detected(world: World, model: str, what: str) -> int:
    return await statistic(world.layout, GATEWAY, DETECTION.format(model, what))


async def test_a_pod_that_fails_is_left_out_within_the_interval_and_comes_back(
    world: World,
) -> None:
    failing = f"{PAIR}-0"
    async with calling(world.layout, GATEWAY, PAIR) as channel:
        model = Model(channel, world.stack.access.model)
        answers: list[Ended] = []

        async def is_left_out() -> bool:
            answers.append(await model.embed())
            return await detected(world, "pair", "ejections_active") == 1

        kill(world.stack, failing)
        assert await until(is_left_out) < INTERVAL_SECONDS
        assert any(not answer.good for answer in answers)
        others = [await model.embed() for _ in range(20)]
        assert [answer for answer in others if not answer.good] == []

        async def is_back() -> bool:
            await model.embed()
            left_out = await detected(world, "pair", "ejections_active")
            return left_out == 0 and await _embedded(world, failing) > 0

        await until(is_back)


async def _embedded(world: World, pod: str) -> float:
    try:
        async with Metrics(world.stack, pod) as metrics:
            return await metrics.value(EMBEDDED)
    except (httpx.TransportError, LookupError):  # it is not up, or nobody has asked it
        return 0.0


@pytest.mark.parametrize(
    ("model", "pods"), [("narrow", 1), pytest.param("pair", 2, marks=pytest.mark.slow)]
)
async def test_the_last_pod_is_never_left_out(world: World, model: str, pods: int) -> None:
    service = f"headrace-inference-{model}"
    names = [f"{service}-{number}" for number in range(pods)]
    before = {name: restarts(world, name) for name in names}
    refused = await detected(world, model, "ejections_overflow")
    async with calling(world.layout, GATEWAY, service) as channel:
        asked = Model(channel, "narrow" if model == "narrow" else world.stack.access.model)
        for name in names:
            kill(world.stack, name)

        async def was_spared() -> bool:
            assert not (await asked.embed()).good
            assert await detected(world, model, "ejections_active") < pods
            return await detected(world, model, "ejections_overflow") > refused

        await until(was_spared)
        for name in names:
            await back(world, name, before[name])

        async def is_well() -> bool:
            answers = [await asked.embed() for _ in range(10)]
            return all(answer.good for answer in answers)

        await until(is_well)


async def test_a_model_that_cannot_be_reached_costs_no_gateway(
    world: World, tmp_path: Path
) -> None:
    pod = "headrace-inference-narrow-0"
    before = restarts(world, pod)
    gateways = {"headrace-gateway": 2}
    stand_ins = {"headrace-gateway-1": GATEWAY}
    async with (
        second_mesh(world, world.objects, tmp_path, copies=gateways, stand_ins=stand_ins) as mesh,
        client_of(world.stack) as client,
    ):
        kill(world.stack, pod)
        url = f"https://localhost:{mesh.ingress[443]}{CHAT}"
        body = {"model": "narrow", "messages": [{"role": "user", "content": "one"}]}
        answers = [await client.post(url, json=body) for _ in range(20)]
        left_out = await statistic(mesh, INGRESS.name, GATEWAYS_LEFT_OUT)
    await back(world, pod, before)
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)
    assert left_out == 0
