"""What the mesh's objects are about: Services, the workloads behind them, and their identities."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.mesh.translator.fields import UntranslatedError, reading

TRUST_DOMAIN = "cluster.local"
PROTOCOLS = ("grpc", "http2", "http", "tcp")
WORKLOAD_KINDS = ("Deployment", "StatefulSet")
Labels = Mapping[str, str]


def selects(selector: Labels, labels: Labels) -> bool:
    """Whether a pod with these labels is meant; an empty selector means every pod."""
    return selector.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a Service."""

    name: str
    number: int
    target: int | str
    """The container's port, by number or name."""
    protocol: str

    @property
    def is_http2(self) -> bool:
        return self.protocol in ("grpc", "http2")

    @property
    def is_http(self) -> bool:
        return self.protocol != "tcp"


@dataclass(frozen=True, slots=True)
class Service:
    """A name in the mesh, and the pods behind it."""

    name: str
    namespace: str
    selector: Labels
    ports: tuple[Port, ...]

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.svc.{TRUST_DOMAIN}"

    def port(self, number: int) -> Port:
        for port in self.ports:
            if port.number == number:
                return port
        raise UntranslatedError(f"Service/{self.name} has no port {number}")


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods that are all alike: those of one Deployment."""

    name: str
    namespace: str
    labels: Labels
    service_account: str
    ports: Mapping[str, int]
    """Of the containers, by name."""
    template: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """Its pod's specification."""

    @property
    def identity(self) -> str:
        return identity(self.namespace, self.service_account)

    def port(self, service_port: Port) -> int:
        """The container's port that a Service's port leads to."""
        target = service_port.target
        return target if isinstance(target, int) else self.ports[target]


def identity(namespace: str, service_account: str) -> str:
    """As certificates in the mesh carry it (SPIFFE ID)."""
    return f"spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{service_account}"


def read_service(value: Mapping[str, Any]) -> Service:
    """Raises UntranslatedError for what a mesh would heed and this one does not."""
    metadata = value["metadata"]
    with reading(value["spec"], f"Service/{metadata['name']}.spec") as spec:
        spec.only("type", "ClusterIP", "pods in the mesh are reached through their proxies")
        spec.take("clusterIP")  # a headless Service's pods are balanced by the mesh as well
        spec.take("publishNotReadyAddresses")  # who is ready is decided by the tests
        ports = []
        for each in spec.each("ports"):
            name, number = each.needed("name"), each.number("port") or 0
            each.only("protocol", "TCP", "the mesh knows no other")
            target = each.take("targetPort", number)
            ports.append(Port(name, number, target, _protocol(name, each.text("appProtocol"))))
        selector = spec.labels("selector")
    return Service(metadata["name"], metadata["namespace"], selector, tuple(ports))


def _protocol(name: str, app_protocol: str) -> str:
    """What the mesh takes a port's traffic for: what it is declared as, else by its name."""
    declared = app_protocol or name.partition("-")[0]
    return declared if declared in PROTOCOLS else "tcp"


def read_workload(value: Mapping[str, Any]) -> Workload:
    """The pods' labels, identity and ports; the rest concerns no mesh."""
    metadata, template = value["metadata"], value["spec"]["template"]
    ports = {
        port["name"]: port["containerPort"]
        for container in template["spec"]["containers"]
        for port in container.get("ports", ())
    }
    return Workload(
        metadata["name"],
        metadata["namespace"],
        template["metadata"]["labels"],
        template["spec"].get("serviceAccountName", "default"),
        ports,
        template["spec"],
    )
