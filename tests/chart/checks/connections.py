"""Who may call someone can: the network lets the call out, and proxies know where it goes."""

from collections.abc import Iterator

from tests.chart.checks.lifecycle import LONGEST_STREAM_SECONDS
from tests.chart.checks.mesh_policy import EXTERNAL, allows, open_connections
from tests.chart.objects import (
    COMPONENT,
    Object,
    Objects,
    annotations,
    of_kind,
    own_pods,
    running_pods,
    selects,
    service_of_host,
    title,
)

METRICS_PORT = 9464
NGINX = "nginx.ingress.kubernetes.io/"


def calls_may_leave(objects: Objects) -> list[str]:
    """What a service lets in from another one, that one may send."""
    faults = []
    for caller, called in sorted(open_connections(objects)):
        if caller == EXTERNAL:
            continue
        targets = [pod.labels for pod in running_pods(objects) if pod.component == called]
        faults += [
            f"{pod.title}: may not call {called}, which would let it"
            for pod in running_pods(objects)
            if pod.component == caller
            if not all(_may_call(objects, pod.labels, labels) for labels in targets)
        ]
    return faults


def _may_call(objects: Objects, caller: dict[str, str], called: dict[str, str]) -> bool:
    for rule in _rules(objects, caller, "egress"):
        ports = [each.get("port") for each in rule.get("ports") or []]
        peers = [each.get("podSelector") for each in rule.get("to") or []]
        if 9000 in ports and any(peer is not None and selects(peer, called) for peer in peers):
            return True
    return False


def _rules(objects: Objects, labels: dict[str, str], way: str) -> Iterator[Object]:
    for policy in of_kind(objects, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], labels):
            yield from policy["spec"].get(way) or []


def proxies_know_whom_they_call(objects: Objects) -> list[str]:
    """A proxy passes on what it knows nothing of as it is: without mutual TLS, so it is refused."""
    faults = []
    for sidecar in of_kind(objects, "Sidecar"):
        caller = sidecar["metadata"]["labels"].get(COMPONENT)
        known = {
            host.removeprefix("./").partition(".")[0]
            for listener in sidecar["spec"].get("egress") or []
            for host in listener["hosts"]
        }
        called = {called for each, called in open_connections(objects) if each == caller}
        faults += [
            f"{title(sidecar)}: does not know {service['metadata']['name']}"
            for service in of_kind(objects, "Service")
            if service["metadata"]["labels"].get(COMPONENT) in called
            and service["metadata"]["name"] not in known
        ]
    return faults


def proxies_know_services_that_exist(objects: Objects) -> list[str]:
    """Of the namespace's own; `~/*` is nobody."""
    return [
        f"{title(sidecar)}: there is no Service {host}"
        for sidecar in of_kind(objects, "Sidecar")
        for listener in sidecar["spec"].get("egress") or []
        for host in listener["hosts"]
        if host.startswith("./") and service_of_host(objects, host[2:]) is None
    ]


def virtual_services_are_of_services(objects: Objects) -> list[str]:
    """Within the mesh a VirtualService is for the host of a Service; at the edge for any host."""
    return [
        f"{title(item)}: there is no Service {host}"
        for item in of_kind(objects, "VirtualService")
        if not item["spec"].get("gateways")
        for host in item["spec"]["hosts"]
        if service_of_host(objects, host) is None
    ]


def the_public_comes_in(objects: Objects) -> list[str]:
    """Where there is a way in, the network and the mesh let it end at the gateway's HTTP door."""
    if not of_kind(objects, "Gateway", "Ingress"):
        return []
    faults = []
    for pod in (each for each in running_pods(objects) if each.component == "gateway"):
        rules = list(_rules(objects, pod.labels, "ingress"))
        if of_kind(objects, "NetworkPolicy") and not any(_is_open(rule, "http") for rule in rules):
            faults.append(f"{pod.title}: the network lets nobody in from outside")
        if of_kind(objects, "AuthorizationPolicy") and not _admits(objects, pod.labels, "8080"):
            faults.append(f"{pod.title}: the mesh lets nobody in from outside")
    return faults


def _is_open(rule: Object, port: str | int) -> bool:
    from_outside = any("namespaceSelector" in each for each in rule.get("from") or [])
    return from_outside and port in [each.get("port") for each in rule.get("ports") or []]


def _admits(objects: Objects, labels: dict[str, str], port: str) -> bool:
    return any(
        port in (each["operation"].get("ports") or [])
        for policy, rule in allows(objects)
        if selects(policy["spec"].get("selector") or {}, labels)
        for each in rule.get("to") or []
    )


def metrics_can_be_read(objects: Objects) -> list[str]:
    """Prometheus has no certificate of the mesh, so the port is kept from the sidecar."""
    faults = []
    for pod in own_pods(objects):
        rules = list(_rules(objects, pod.labels, "ingress"))
        if of_kind(objects, "NetworkPolicy") and not any(
            _is_open(each, "metrics") for each in rules
        ):
            faults.append(f"{pod.title}: the network keeps its metrics")
        excluded = annotations({"metadata": pod.metadata}).get(
            "traffic.sidecar.istio.io/excludeInboundPorts", ""
        )
        if of_kind(objects, "PeerAuthentication") and str(METRICS_PORT) not in excluded.split(","):
            faults.append(f"{pod.title}: the mesh keeps its metrics")
    return faults


def an_ingress_lets_streams_live(objects: Objects) -> list[str]:
    """nginx would wait 60 s, hold answers back, and ask another pod after a generation began."""
    faults = []
    for ingress in of_kind(objects, "Ingress"):
        if ingress["spec"].get("ingressClassName") != "nginx":
            continue
        said = annotations(ingress)
        if int(said.get(f"{NGINX}proxy-read-timeout", "60")) < LONGEST_STREAM_SECONDS:
            faults.append(f"{title(ingress)}: cuts streams")
        if said.get(f"{NGINX}proxy-buffering") != "off":
            faults.append(f"{title(ingress)}: holds answers back")
        if said.get(f"{NGINX}proxy-next-upstream") not in ("error", "off"):
            faults.append(f"{title(ingress)}: repeats requests")
        if not ingress["spec"].get("tls"):
            faults.append(f"{title(ingress)}: has no certificate")
    return faults
