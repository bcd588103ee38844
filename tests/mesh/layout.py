"""Where everything of a rendered chart is on this machine: pods, their proxies, the ingress."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.mesh.endpoints import FixedEndpoints
from tests.mesh.identities import Identities
from tests.mesh.translator.bootstrap import write_bootstrap
from tests.mesh.translator.cluster import Workload
from tests.mesh.translator.edge import Edge, edge
from tests.mesh.translator.objects import Rendered
from tests.mesh.translator.proxies import Caller, Part, Pod, Reach, inbound, known_to, outbound

from headrace_local import checks
from headrace_local.envoy import socket_address

INGRESS = Workload("ingress", "istio-ingress", {"istio": "ingress"}, "istio-ingress", {})
"""The ingress gateway as the chart's values expect it; another chart installs it."""
INGRESS_PORTS = (80, 443)
SECRET = "headrace-tls"


@dataclass(frozen=True, slots=True)
class Place:
    """A pod, and where its process finds the proxy's outbound side."""

    pod: Pod
    caller: Caller


@dataclass(frozen=True, slots=True)
class Layout:
    """All ports, fixed before anything runs."""

    rendered: Rendered
    address: str
    """Of all proxies, and of nobody else on this machine: their many ports meet no others."""
    places: Mapping[str, Place]
    """By the pod's name."""
    ingress: Mapping[int, int]
    admin: Mapping[str, int] = field(default_factory=dict)
    """The ports of Envoys' administration, by pod, and of the ingress."""

    @property
    def pods(self) -> list[Pod]:
        return [place.pod for place in self.places.values()]

    def door(self, caller: str, service: str, port: int = 9000) -> str:
        """Where a pod calls a Service."""
        host = self.rendered.service(service, "headrace").host
        return f"{self.address}:{self.places[caller].caller.doors[host, port]}"

    def administration(self, name: str) -> str:
        """Of the Envoy of a pod, or of the ingress."""
        return f"{self.address}:{self.admin[name]}"


def lay_out(
    rendered: Rendered, copies: Mapping[str, int] | None = None, *, public_port: int = 0
) -> Layout:
    """One pod of each workload, or so many copies; 0 for none."""
    pods = {
        f"{workload.name}-{number}": workload
        for workload in rendered.workloads
        for number in range((copies or {}).get(workload.name, 1))
    }
    wanted = [name for pod, each in pods.items() for name in _ports_of(rendered, pod, each)]
    admin = [f"{pod} admin" for pod in (*pods, INGRESS.name)]
    own = [f"{pod} own {number}" for pod, each in pods.items() for number in each.ports.values()]
    address = _address_of_ones_own()
    ports = checks.free_ports([*wanted, *admin], address) | _on_loopback(own, public_port)
    return Layout(
        rendered,
        address,
        {pod: _place(rendered, pod, each, address, ports) for pod, each in pods.items()},
        {80: ports["80"], 443: public_port or ports["443"]},
        {pod: ports[f"{pod} admin"] for pod in (*pods, INGRESS.name)},
    )


def _address_of_ones_own() -> str:
    """One of Linux's sixteen million of loopback."""
    return ".".join(["127", *(str(random.randint(2, 254)) for _ in range(3))])


def _on_loopback(own: Sequence[str], taken: int) -> dict[str, int]:
    """All at once, for a port is free until somebody listens, and so for whoever asks."""
    names = [*own, *map(str, INGRESS_PORTS)]
    while taken in (ports := checks.free_ports(names)).values():
        continue
    return ports


def _ports_of(rendered: Rendered, pod: str, workload: Workload) -> Iterator[str]:
    for number in workload.ports.values():
        yield f"{pod} in {number}"
    for service, port in known_to(rendered, workload):
        yield f"{pod} out {service.host} {port.number}"


def _place(
    rendered: Rendered, pod: str, workload: Workload, address: str, ports: Mapping[str, int]
) -> Place:
    numbers = workload.ports.values()
    doors = {
        (service.host, port.number): ports[f"{pod} out {service.host} {port.number}"]
        for service, port in known_to(rendered, workload)
    }
    inward = {number: ports[f"{pod} in {number}"] for number in numbers}
    own = {number: ports[f"{pod} own {number}"] for number in numbers}
    return Place(
        Pod(pod, workload.name, address, inward, own), Caller(pod, workload, address, doors)
    )


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Writes the configurations of all Envoys of a layout."""

    layout: Layout
    directory: Path
    identities: Identities
    endpoints: FixedEndpoints
    public_tls: Path
    """The directory of `server.pem` and `server-key.pem`."""

    @classmethod
    def fixed(cls, layout: Layout, directory: Path, public_tls: Path) -> "Sidecars":
        """Of pods that stay as they are."""
        endpoints = FixedEndpoints(layout.rendered, layout.pods)
        return cls(layout, directory, Identities(directory), endpoints, public_tls)

    def write(self) -> dict[str, Path]:
        """One configuration for each pod, and that of the ingress."""
        return {name: self._write(name, part) for name, part in self.parts()}

    def parts(self) -> Iterator[tuple[str, Part]]:
        for name, place in self.layout.places.items():
            yield name, self.part(place)
        yield INGRESS.name, self.ingress()

    def part(self, place: Place) -> Part:
        """Both sides of a pod's proxy."""
        rendered = self.layout.rendered
        part = inbound(rendered, place.pod, self.identities)
        part.add(outbound(rendered, place.caller, self.identities, self.endpoints))
        return part

    def ingress(self) -> Part:
        around = Edge(INGRESS, self.layout.ingress, {SECRET: self.public_tls})
        return edge(self.layout.rendered, around, Reach(INGRESS, self.identities, self.endpoints))

    def _write(self, name: str, part: Part) -> Path:
        path = self.directory / f"{name}.json"
        admin = socket_address(self.layout.address, self.layout.admin[name])
        write_bootstrap(path, name, [part], admin)
        return path
