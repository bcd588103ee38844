"""Sidecars: which Services a workload's proxy knows, and what it grants the application itself."""

from dataclasses import dataclass
from typing import Any

from tests.mesh.translator.cluster import Service, Workload, selects
from tests.mesh.translator.objects import Object, Rendered, spec_of

ALL = ("*/*",)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a Sidecar says to the proxies of one workload."""

    hosts: tuple[str, ...] = ALL
    """`NAMESPACE/HOST`, either of which may be a star; the namespace a dot for one's own."""
    inbound_pool: dict[str, Any] | None = None
    """Instead of what the DestinationRule says, for the connection to the application."""

    def knows(self, service: Service, caller: Workload) -> bool:
        return any(self._means(host, service, caller) for host in self.hosts)

    def _means(self, host: str, service: Service, caller: Workload) -> bool:
        namespace, _, name = host.partition("/")
        namespaces = {".": caller.namespace, "*": service.namespace}
        return namespaces.get(namespace, namespace) == service.namespace and name in (
            "*",
            service.host,
            f"{service.name}.{service.namespace}.svc",
        )


def scope_of(rendered: Rendered, workload: Workload) -> Scope:
    """The Sidecar that selects a workload goes before the one of its whole namespace."""
    chosen = Scope()
    for each in sorted(rendered.mesh["Sidecar"], key=lambda one: "workloadSelector" in one["spec"]):
        labels, scope = _read(each)
        here = each["metadata"]["namespace"] == workload.namespace
        if here and selects(labels, workload.labels):
            chosen = scope
    return chosen


def _read(value: Object) -> tuple[dict[str, str], Scope]:
    spec = spec_of(value)
    with spec.inner("workloadSelector") as selector:
        labels = selector.labels("labels")
    hosts = [host for egress in spec.each("egress") for host in egress.texts("hosts")]
    with spec.inner("outboundTrafficPolicy") as beyond:
        beyond.take("mode")  # about names that are no Services; nobody calls any here
    pool = spec.take("inboundConnectionPool")
    spec.end()
    return labels, Scope(tuple(hosts) or ALL, pool)
