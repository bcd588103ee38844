"""Whose `x-forwarded-for` the gateway believes, as the chart has it."""

from typing import Any

import pytest
from tests.chart.objects import Object
from tests.stack import helm

from headrace_gateway.grpc.peers import Peers

MESH: dict[str, Any] = {"secrets.existingSecret": "headrace-secrets"}
ALONE: dict[str, Any] = {**MESH, "mesh.enabled": False}
SIDECAR, CLIENT, BALANCER = "ipv4:127.0.0.6:4711", "203.0.113.9", "198.51.100.7"
"""A proxy's connection; Envoy's load balancer in front adds the client, and Envoy adds that one."""
FORWARDED = [f"192.0.2.66, {CLIENT}, {BALANCER}"]
"""The first is what the client made up."""


def peers_of(values: dict[str, Any]) -> Peers:
    [gateway] = [each for each in helm.render(set=values) if _is_gateway(each)]
    [container] = gateway["spec"]["template"]["spec"]["containers"]
    [trusted] = [
        each["value"]
        for each in container["env"]
        if each["name"] == "HEADRACE_GATEWAY_TRUSTED_PROXIES"
    ]
    return Peers(trusted)


def _is_gateway(item: Object) -> bool:
    return bool(item["kind"] == "Deployment" and item["metadata"]["name"] == "headrace-gateway")


def test_what_the_ingress_gateway_saw_is_whose_it_is() -> None:
    assert peers_of(MESH).source_address(SIDECAR, [f"192.0.2.66, {CLIENT}"]) == CLIENT


def test_a_load_balancer_that_is_named_is_passed_over_beside_the_sidecar() -> None:
    behind = MESH | {"gateway.trustedProxies": "198.51.100.0/24"}
    assert peers_of(behind).source_address(SIDECAR, FORWARDED) == CLIENT
    assert peers_of(MESH).source_address(SIDECAR, FORWARDED) == BALANCER


@pytest.mark.parametrize(
    ("trusted", "address"), [("", BALANCER), ("198.51.100.0/24", CLIENT)], ids=["nobody", "it"]
)
def test_without_a_mesh_a_proxy_must_be_named(trusted: str, address: str) -> None:
    peers = peers_of(ALONE | {"gateway.trustedProxies": trusted})
    assert peers.source_address(f"ipv4:{BALANCER}:4711", [CLIENT]) == address
