"""What other values open: a gateway's canary, the gRPC door, consumers in the cluster."""

import asyncio
import math
import ssl
from pathlib import Path

import grpc
import httpx
import pytest
from tests.mesh.calls import GATEWAY, SECONDS, call, calling, statistic
from tests.mesh.conftest import VALUES
from tests.mesh.layout import INGRESS
from tests.mesh.second_mesh import second_mesh
from tests.mesh.strangers import NEIGHBOUR, OUTSIDER, deployment
from tests.mesh.translator.objects import without
from tests.mesh.world import World
from tests.stack.helm import render

from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc

LIVENESS = "/api/v1/health/liveness"
COMPLETE = "/headrace.gateway.v1.CompletionService/Complete"
HEALTH = "/grpc.health.v1.Health/Check"
TRACK = "ingress|8080|{}|headrace-gateway.headrace.svc.cluster.local.upstream_rq_completed"
REQUESTS, SHARE, CALLERS = 2000, 0.1, 8
CANARY = {"enabled": True, "weight": 10, "tag": "next"}


@pytest.mark.slow
async def test_a_gateways_canary_gets_its_share_of_two_thousand_requests(
    world: World, tmp_path: Path
) -> None:
    canary = {f"gateway.canary.{key}": value for key, value in CANARY.items()}
    objects = render([VALUES], set={**canary, "mesh.edgeRateLimit.enabled": False})
    stand_ins = {"headrace-gateway-canary-0": GATEWAY}
    context = ssl.create_default_context(cafile=world.stack.access.ca_file)
    turns = iter(range(REQUESTS))
    async with (
        second_mesh(world, objects, tmp_path, stand_ins=stand_ins) as mesh,
        httpx.AsyncClient(verify=context, trust_env=False) as client,
    ):
        url = f"https://localhost:{mesh.ingress[443]}{LIVENESS}"

        async def ask() -> set[int]:
            return {(await client.get(url)).status_code for _ in turns}

        statuses = await asyncio.gather(*(ask() for _ in range(CALLERS)))
        got = await statistic(mesh, INGRESS.name, TRACK.format("canary"))
        rest = await statistic(mesh, INGRESS.name, TRACK.format("stable"))
    assert set.union(*statuses) == {200}
    assert got + rest == REQUESTS
    assert abs(got - REQUESTS * SHARE) < 4 * math.sqrt(REQUESTS * SHARE * (1 - SHARE))


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [True, False])
async def test_the_grpc_door_is_open_to_the_public_only_if_that_is_wanted(
    world: World, tmp_path: Path, wanted: bool
) -> None:
    objects = render([VALUES], set={"mesh.gateway.grpc": wanted})
    trust = grpc.ssl_channel_credentials(world.stack.access.ca_file.read_bytes())
    bearer = (("authorization", f"Bearer {world.stack.access.api_key}"),)
    async with (
        second_mesh(world, objects, tmp_path) as mesh,
        grpc.aio.secure_channel(f"localhost:{mesh.ingress[443]}", trust) as channel,
    ):
        stub = gateway_pb2_grpc.CompletionServiceStub(channel)
        request = gateway_pb2.ListModelsRequest()
        if not wanted:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListModels(request, metadata=bearer, timeout=SECONDS)
            # The HTTP door answered, which has no such path.
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
            return
        listed = await stub.ListModels(request, metadata=bearer, timeout=SECONDS)
    assert {model.version.id for model in listed.models} >= {"narrow", "shared"}


async def test_a_consumer_in_the_cluster_may_complete_and_nobody_else_of_its_namespace(
    world: World, tmp_path: Path
) -> None:
    consumer = {"namespace": "elsewhere", "serviceAccount": "outsider"}
    objects = render([VALUES], set={"gateway.consumers": [consumer]})
    two = [deployment(OUTSIDER), deployment(NEIGHBOUR)]
    open_to_all = without([*objects, *two], lambda each: each["kind"] == "Sidecar")
    stand_ins = {OUTSIDER: GATEWAY, NEIGHBOUR: GATEWAY}
    denied = {}
    async with second_mesh(world, open_to_all, tmp_path, stand_ins=stand_ins) as mesh:
        for caller in (OUTSIDER, NEIGHBOUR):
            async with calling(mesh, caller, "headrace-gateway") as channel:
                denied[caller] = [(await call(channel, name)).denied for name in (COMPLETE, HEALTH)]
    assert denied == {OUTSIDER: [False, True], NEIGHBOUR: [True, True]}
