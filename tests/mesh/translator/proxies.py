"""The proxies of pods: who calls a pod passes its inbound side, whom it calls its outbound one.

In a cluster a pod's traffic is turned to its proxy unseen. Here it has a port for each Service that
it calls, and others call the ports of its proxy instead of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.mesh.translator.access import access_filters, mutual_tls_mode
from tests.mesh.translator.cluster import Port, Service, Workload
from tests.mesh.translator.fields import reading
from tests.mesh.translator.listeners import (
    Certificates,
    application_cluster,
    downstream_tls,
    http_manager,
    listener,
    tcp_proxy,
    upstream_tls,
)
from tests.mesh.translator.objects import Rendered
from tests.mesh.translator.routes import MESH, Scene, routes_to
from tests.mesh.translator.scopes import scope_of
from tests.mesh.translator.traffic_policies import Rule, connection_pool, rule_for

from headrace_local.envoy import socket_address

Config = dict[str, Any]
Doors = Mapping[tuple[str, int], int]
"""The ports on this machine for calls to Services, by host and port."""


class Endpoints(Protocol):
    """Which pods are behind a Service or a subset, by a name for them."""

    def discovery(self, name: str) -> Config:
        """The fields of a cluster that tell it."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A running copy of a workload."""

    name: str
    workload: str
    address: str
    """Where its proxy listens; the process itself does on loopback."""
    doors: Mapping[int, int]
    """The ports of its proxy's inbound side, by the container's port that they are for."""
    application: Mapping[int, int]
    """The ports that the process itself listens on, likewise."""


@dataclass(slots=True)
class Part:
    """A part of an Envoy's configuration."""

    listeners: list[Config] = field(default_factory=list)
    clusters: list[Config] = field(default_factory=list)

    def add(self, other: "Part") -> None:
        self.listeners += other.listeners
        self.clusters += other.clusters


def inbound(rendered: Rendered, pod: Pod, certificates: Certificates) -> Part:
    """Of each port that a Service leads to."""
    workload, part = rendered.workload(pod.workload), Part()
    for service in rendered.services:
        for port in service.ports if workload in rendered.behind(service) else ():
            number = workload.port(port)
            name = f"{pod.name}:{number}"
            if number in pod.doors and name not in (each["name"] for each in part.listeners):
                part.add(_inbound_port(rendered, pod, service, port, certificates))
    return part


def _inbound_port(
    rendered: Rendered, pod: Pod, service: Service, port: Port, certificates: Certificates
) -> Part:
    workload = rendered.workload(pod.workload)
    number = workload.port(port)
    name = f"{pod.name}:{number}"
    filters = access_filters(rendered, workload, number, is_http=port.is_http)
    routes = [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}]
    if port.is_http:
        filters = [http_manager(name, {"*": routes}, filters)]
    else:
        filters = [*filters, tcp_proxy(name)]
    mode = mutual_tls_mode(rendered, workload, number)
    tls = downstream_tls(certificates, workload.identity)
    sides = listener(name, socket_address(pod.address, pod.doors[number]), filters, tls, mode)
    with reading(_pool_to_application(rendered, service, workload), name) as said:
        pool = connection_pool(said, port)
    return Part([sides], [application_cluster(name, pod.application[number], pool)])


def _pool_to_application(rendered: Rendered, service: Service, workload: Workload) -> Config:
    """What the Sidecar says; else what the DestinationRule says to callers, for all together."""
    own = scope_of(rendered, workload).inbound_pool
    rule = rule_for(rendered, service, workload)
    return dict(rule.blocks.get("connectionPool", {}) if own is None else own)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose proxy calls others: the name of a pod, what it is one of, and where it finds the
    proxy."""

    name: str
    workload: Workload
    address: str
    doors: Doors


def known_to(rendered: Rendered, workload: Workload) -> Iterable[tuple[Service, Port]]:
    """Whom a workload's proxy can call."""
    scope = scope_of(rendered, workload)
    for service in rendered.services:
        if scope.knows(service, workload):
            yield from ((service, port) for port in service.ports if port.is_http)


def outbound(
    rendered: Rendered, caller: Caller, certificates: Certificates, endpoints: Endpoints
) -> Part:
    """Of each Service that the caller knows."""
    part = Part()
    for service, port in known_to(rendered, caller.workload):
        door = socket_address(caller.address, caller.doors[service.host, port.number])
        scene = Scene(caller.name, MESH, port.number)
        name = f"{caller.name}>{service.name}:{port.number}"
        manager = http_manager(name, {"*": routes_to(rendered, scene, service.host)}, [])
        part.listeners.append(listener(name, door, [manager], None, "DISABLE"))
        part.clusters += clusters(
            rendered, scene, service, Reach(caller.workload, certificates, endpoints)
        )
    return part


@dataclass(frozen=True, slots=True)
class Reach:
    """As whom a proxy calls, and where it finds whom it calls."""

    workload: Workload
    certificates: Certificates
    endpoints: Endpoints


def clusters(rendered: Rendered, scene: Scene, service: Service, reach: Reach) -> list[Config]:
    """One for a port of a Service and one for each subset of it."""
    rule = rule_for(rendered, service, reach.workload)
    return [
        _cluster(rendered, scene, service, rule, subset, reach) for subset in (None, *rule.subsets)
    ]


def _cluster(
    rendered: Rendered,
    scene: Scene,
    service: Service,
    rule: Rule,
    subset: str | None,
    reach: Reach,
) -> Config:
    port = service.port(scene.port)
    policy = rule.policy(port, subset)
    name = scene.cluster(service.host, subset=subset or "")
    endpoints = endpoints_name(service, port, subset)
    config: Config = {"name": name, **reach.endpoints.discovery(endpoints), **policy.cluster}
    if policy.mutual_tls:
        peers = sorted({each.identity for each in rendered.behind(service)})
        config["transport_socket"] = upstream_tls(
            reach.certificates, reach.workload.identity, peers, service.host, port
        )
    return config


def endpoints_name(service: Service, port: Port, subset: str | None) -> str:
    """What the pods behind a port of a Service, or a subset of it, are called together."""
    return f"{service.name}.{service.namespace}.{port.number}.{subset or 'all'}"
