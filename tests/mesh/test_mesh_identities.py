"""Who may ask what: exactly the methods that `callers` names, by the certificate that one shows."""

from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import httpx
import pytest
import yaml
from tests.mesh.calls import GATEWAY, PAIR, call, calling
from tests.mesh.conftest import VALUES
from tests.mesh.layout import Layout
from tests.mesh.second_mesh import second_mesh
from tests.mesh.strangers import (
    INGRESS_POD,
    NAMESPACES,
    OUTSIDER,
    VISITOR,
    deployment,
    service,
)
from tests.mesh.translator.objects import Object, named, without
from tests.mesh.world import World
from tests.stack.helm import CHART, render
from tests.stack.methods import methods

SERVICES = {
    "gateway": "headrace-gateway",
    "auth": "headrace-auth",
    "cache": "headrace-cache",
    "audit": "headrace-audit",
    "inference": PAIR,
}
PODS = {name: f"{workload}-0" for name, workload in SERVICES.items()}
CALLERS = (*PODS.values(), OUTSIDER, INGRESS_POD)
COMPLETE = "/headrace.gateway.v1.CompletionService/Complete"
LIVENESS = "/api/v1/health/liveness"
HEALTH = "/grpc.health.v1.Health/Check"
PROBES = (HEALTH, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")


def open_to_all(objects: Sequence[Object]) -> list[Object]:
    """Everybody's proxy knows every Service, as that of somebody who breaks in would."""
    return without(objects, lambda each: each["kind"] == "Sidecar")


@pytest.fixture
async def mesh(world: World, tmp_path: Path) -> AsyncIterator[Layout]:
    """With callers from other namespaces."""
    objects = [*open_to_all(world.objects), deployment(OUTSIDER), deployment(INGRESS_POD)]
    async with second_mesh(world, objects, tmp_path, stand_ins=_as_gateways()) as layout:
        yield layout


def _as_gateways() -> dict[str, str]:
    return dict.fromkeys((OUTSIDER, INGRESS_POD, VISITOR), GATEWAY)


@pytest.mark.parametrize("callee", SERVICES)
async def test_each_caller_may_ask_the_methods_that_its_service_names_and_no_other(
    mesh: Layout, callee: str
) -> None:
    own = [name for name in methods() if name.startswith(f"/headrace.{callee}.")]
    assert own
    answered = {
        (caller, method)
        for caller in CALLERS
        async for method in _answered(mesh, caller, SERVICES[callee], [*own, *PROBES])
    }
    assert answered == set(_named_in_values(callee, own))


async def _answered(
    mesh: Layout, caller: str, callee: str, methods: Iterable[str]
) -> AsyncIterator[str]:
    async with calling(mesh, caller, callee) as channel:
        for method in methods:
            if not (await call(channel, method)).denied:
                yield method


def _named_in_values(callee: str, methods: Iterable[str]) -> Iterable[tuple[str, str]]:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    said = values["services"].get(callee) or values["inference"]["defaults"]
    for caller, names in said.get("callers", {}).items():
        exact = {f"/{name}" for name in names}
        whole = tuple(f"/{name[:-1]}" for name in names if name.endswith("*"))
        for method in methods:
            if method in exact or method.startswith(whole):
                yield PODS[caller], method


async def test_only_the_ingress_may_call_the_gateways_http_door(mesh: Layout) -> None:
    statuses = {}
    async with httpx.AsyncClient(trust_env=False) as client:
        for caller in CALLERS:
            url = f"http://{mesh.door(caller, 'headrace-gateway', 8080)}{LIVENESS}"
            statuses[caller] = (await client.get(url)).status_code
    assert statuses == {caller: 200 if caller == INGRESS_POD else 403 for caller in CALLERS}


async def test_a_consumer_may_call_both_doors_and_name_nobody_elses_address(
    world: World, tmp_path: Path
) -> None:
    """The gateway believes what its proxy passes on, and of callers only the edge is to be."""
    named = [{"namespace": NAMESPACES[OUTSIDER], "serviceAccount": "outsider"}]
    objects = open_to_all(render([VALUES], set={"gateway.consumers": named}))
    objects += [deployment(OUTSIDER), deployment(INGRESS_POD)]
    claims: tuple[dict[str, str], ...] = ({}, {"x-forwarded-for": "203.0.113.9"})
    statuses, denials = {}, []
    async with second_mesh(world, objects, tmp_path, stand_ins=_as_gateways()) as mesh:
        async with httpx.AsyncClient(trust_env=False) as client:
            for caller in (OUTSIDER, INGRESS_POD):
                url = f"http://{mesh.door(caller, 'headrace-gateway', 8080)}{LIVENESS}"
                answers = [await client.get(url, headers=claim) for claim in claims]
                statuses[caller] = [answer.status_code for answer in answers]
        async with calling(mesh, OUTSIDER, "headrace-gateway") as channel:
            for claim in claims:
                denials.append((await call(channel, COMPLETE, claim)).denied)
    assert statuses == {OUTSIDER: [200, 403], INGRESS_POD: [200, 200]}
    assert denials == [False, True]


async def test_a_workload_that_no_policy_names_answers_nobody(world: World, tmp_path: Path) -> None:
    objects = [*open_to_all(world.objects), deployment(VISITOR), service(VISITOR)]
    assert await _who_reaches_the_visitor(world, objects, tmp_path) == []


async def test_without_deny_all_a_workload_that_no_policy_names_answers_everybody(
    world: World, tmp_path: Path
) -> None:
    left = without(open_to_all(world.objects), named("AuthorizationPolicy", "headrace-deny-all"))
    objects = [*left, deployment(VISITOR), service(VISITOR)]
    assert await _who_reaches_the_visitor(world, objects, tmp_path) == list(PODS.values())


async def _who_reaches_the_visitor(
    world: World, objects: Sequence[Object], directory: Path
) -> list[str]:
    reached = []
    async with second_mesh(world, objects, directory, stand_ins=_as_gateways()) as mesh:
        for caller in PODS.values():
            async with calling(mesh, caller, "visitor") as channel:
                if not (await call(channel, HEALTH)).denied:
                    reached.append(caller)
    return reached


async def test_a_proxy_knows_only_whom_its_service_calls(world: World) -> None:
    known = {
        name: sorted({host.split(".")[0] for host, _ in world.layout.places[pod].caller.doors})
        for name, pod in PODS.items()
    }
    models = [f"headrace-inference-{name}" for name in ("narrow", "pair", "shared")]
    assert known == {
        "gateway": ["headrace-audit", "headrace-auth", "headrace-cache", *models],
        "auth": ["headrace-audit"],
        "cache": [],
        "audit": [],
        "inference": [],
    }
