"""All objects of one rendered chart, sorted by what they are to the mesh."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.mesh.translator.cluster import (
    WORKLOAD_KINDS,
    Service,
    Workload,
    read_service,
    read_workload,
    selects,
)
from tests.mesh.translator.fields import Fields, UntranslatedError, reading

Object = Mapping[str, Any]
MESH_GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io")
NO_TRAFFIC = MappingProxyType(
    {
        "Telemetry": "says what proxies report of traffic, not what becomes of it",
        "ProxyConfig": "says how the proxy's process runs; here Envoy runs without Istio's agent",
    }
)
"""Kinds of Istio's that are not translated, and why nothing that is proven here misses them."""
TRANSLATED = (
    "AuthorizationPolicy",
    "DestinationRule",
    "EnvoyFilter",
    "Gateway",
    "PeerAuthentication",
    "Sidecar",
    "VirtualService",
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a chart makes of its values."""

    services: tuple[Service, ...]
    workloads: tuple[Workload, ...]
    mesh: Mapping[str, tuple[Object, ...]]
    """Istio's objects, by kind."""
    config_maps: Mapping[str, Mapping[str, str]]
    """Their data, by name."""

    def service(self, name: str, namespace: str) -> Service:
        """By any of the names that a pod of the namespace knows it by."""
        for service in self.services:
            known = (service.name, f"{service.name}.{service.namespace}")
            local = service.namespace == namespace and name == service.name
            if local or name == service.host or name.removesuffix(".svc") == known[1]:
                return service
        raise UntranslatedError(f"there is no Service {name!r}")

    def workload(self, name: str) -> Workload:
        for workload in self.workloads:
            if workload.name == name:
                return workload
        raise UntranslatedError(f"there is no workload {name!r}")

    def behind(self, service: Service, subset: Mapping[str, str] | None = None) -> list[Workload]:
        """The workloads whose pods a Service, or a part of it, leads to."""
        return [
            workload
            for workload in self.workloads
            if workload.namespace == service.namespace
            and selects({**service.selector, **(subset or {})}, workload.labels)
        ]


def read(objects: Iterable[Object]) -> Rendered:
    """Raises UntranslatedError for kinds that are neither translated nor known to be nothing."""
    by_kind: dict[str, list[Object]] = {}
    for each in objects:
        group = each["apiVersion"].rpartition("/")[0]
        kind = each["kind"]
        if group.endswith("istio.io"):
            if group not in MESH_GROUPS or kind not in (*TRANSLATED, *NO_TRAFFIC):
                raise UntranslatedError(f"{each['apiVersion']} {kind}: nothing translates it")
            if set(each) != {"apiVersion", "kind", "metadata", "spec"}:
                raise UntranslatedError(f"{kind}: fields {sorted(each)}")
        by_kind.setdefault(kind, []).append(each)
    return Rendered(
        services=tuple(map(read_service, by_kind.get("Service", ()))),
        workloads=tuple(
            read_workload(each) for kind in WORKLOAD_KINDS for each in by_kind.get(kind, ())
        ),
        mesh={kind: tuple(by_kind.get(kind, ())) for kind in TRANSLATED},
        config_maps={
            each["metadata"]["name"]: each.get("data", {}) for each in by_kind.get("ConfigMap", ())
        },
    )


def title(value: Object) -> str:
    """For messages."""
    return f"{value['kind']}/{value['metadata']['name']}"


def spec_of(value: Object) -> Fields:
    """Raises UntranslatedError for annotations, with which much can be said besides."""
    with reading(value["metadata"], f"{title(value)}.metadata") as metadata:
        metadata.needed("name")
        metadata.needed("namespace")
        metadata.labels("labels")
    return Fields(value["spec"], f"{title(value)}.spec")


def without(objects: Sequence[Object], unwanted: Callable[[Object], bool]) -> list[Object]:
    """The objects but for those that are unwanted, of which there must be some."""
    left = [each for each in objects if not unwanted(each)]
    if len(left) == len(objects):
        raise LookupError("there is no such object to leave out")
    return left


def named(kind: str, name: str) -> Callable[[Object], bool]:
    """Whether an object is this one."""
    return lambda each: each["kind"] == kind and each["metadata"]["name"] == name
