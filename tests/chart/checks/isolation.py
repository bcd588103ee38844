"""What is chosen by labels is chosen narrowly: this release, this model, these peers and ports."""

from collections.abc import Iterator

from tests.chart.checks.selection import pod_selectors
from tests.chart.objects import (
    COMPONENT,
    SERVICES,
    Object,
    Objects,
    of_kind,
    pods,
    running_pods,
    selects,
    service_pods,
    title,
)

INSTANCE = "app.kubernetes.io/instance"
MODEL_SERVER = "headrace.dev/model-server"


def selectors_stay_in_the_release(objects: Objects) -> list[str]:
    """Of a second release in the same namespace nothing is selected, be it the same otherwise."""
    strangers = [{**pod.labels, INSTANCE: "another"} for pod in pods(objects)]
    return [
        f"{where}: selects pods of another release"
        for where, selector in _selectors(objects)
        if any(selects(selector, labels) for labels in strangers)
    ]


def _selectors(objects: Objects) -> Iterator[tuple[str, Object]]:
    yield from pod_selectors(objects)
    for service in of_kind(objects, "Service"):
        yield title(service), {"matchLabels": service["spec"].get("selector") or {}}
    for pod in running_pods(objects):
        yield pod.title, pod.owner["spec"]["selector"]
        for spread in pod.spec.get("topologySpreadConstraints") or []:
            yield f"{pod.title}: {spread['topologyKey']}", spread.get("labelSelector") or {}


def spreading_counts_one_workload(objects: Objects) -> list[str]:
    """A canary's pods, or another model's, say nothing about where these are."""
    return [
        f"{pod.title}: {spread['topologyKey']} counts {other.title}"
        for pod in running_pods(objects)
        for spread in pod.spec.get("topologySpreadConstraints") or []
        for other in running_pods(objects)
        if other.title != pod.title and selects(spread.get("labelSelector") or {}, other.labels)
    ]


def services_are_of_one_model(objects: Objects) -> list[str]:
    """Callers of one model must not get another one's answers."""
    faults = []
    for service in of_kind(objects, "Service"):
        models = {pod.labels.get(MODEL_SERVER) for pod in service_pods(objects, service)}
        # In a release of one model all selectors find it, whether they name it or not.
        if models != {None} and MODEL_SERVER not in (service["spec"].get("selector") or {}):
            faults.append(f"{title(service)}: does not say of which model it is")
    return faults


def network_rules_are_narrow(objects: Objects) -> list[str]:
    """No rule without ports, none that lets everybody in, no peer that is everybody.

    And what one service needs, only that one's pods get.
    """
    faults: list[str] = []
    for item in of_kind(objects, "NetworkPolicy"):
        faults += _wide(item)
        chosen = {
            p.component for p in pods(objects) if selects(item["spec"]["podSelector"], p.labels)
        }
        allows = item["spec"].get("ingress") or item["spec"].get("egress")
        if allows and len(chosen & set(SERVICES)) > 1:
            faults.append(f"{title(item)}: is for {', '.join(sorted(chosen))}")
    return faults


def _wide(policy: Object) -> Iterator[str]:
    for way, other in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(policy["spec"].get(way) or []):
            where = f"{title(policy)}: {way} {index}"
            ports = [each.get("port") for each in rule.get("ports") or []]
            if not ports or None in ports:
                yield f"{where}: is about every port"
            if not rule.get(other) and (way == "ingress" or 53 in ports or 9000 in ports):
                yield f"{where}: is about everybody"
            for peer in rule.get(other) or []:
                if any(not (peer[kind] or {}) for kind in peer) or not peer:
                    yield f"{where}: a peer is everybody"
                if any("Selector" in kind and not _names(peer[kind]) for kind in peer):
                    yield f"{where}: a peer is everybody"


def _names(selector: Object) -> bool:
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


def monitors_see_every_service(objects: Objects) -> list[str]:
    """Where there is a monitor, no service's metrics are left out."""
    monitors = of_kind(objects, "PodMonitor")
    return [
        f"{pod.title}: no PodMonitor is for it"
        for pod in running_pods(objects)
        if monitors and pod.component in SERVICES
        if not any(selects(each["spec"]["selector"], pod.labels) for each in monitors)
    ]


def sidecars_are_of_one_component(objects: Objects) -> list[str]:
    """A Sidecar without a selector would be that of the whole namespace."""
    faults = []
    for sidecar in of_kind(objects, "Sidecar"):
        labels = (sidecar["spec"].get("workloadSelector") or {}).get("labels") or {}
        chosen = {
            pod.component
            for pod in running_pods(objects)
            if selects({"matchLabels": labels}, pod.labels)
        }
        if chosen != {sidecar["metadata"]["labels"].get(COMPONENT)}:
            faults.append(f"{title(sidecar)}: is that of {', '.join(sorted(chosen))}")
    return faults


def the_edge_is_one_gateway(objects: Objects) -> list[str]:
    """Without a selector a Gateway is for every ingress gateway of the mesh; so is a filter."""
    faults = []
    selectors = []
    for gateway in of_kind(objects, "Gateway"):
        selectors.append(gateway["spec"].get("selector") or {})
        protocols = [server["port"]["protocol"] for server in gateway["spec"]["servers"]]
        if not selectors[-1]:
            faults.append(f"{title(gateway)}: is for every ingress gateway")
        if "HTTPS" not in protocols:
            faults.append(f"{title(gateway)}: takes no HTTPS")
    for item in of_kind(objects, "EnvoyFilter"):
        labels = (item["spec"].get("workloadSelector") or {}).get("labels") or {}
        if not labels or (selectors and labels not in selectors):
            faults.append(f"{title(item)}: is for other gateways")
        faults += [
            f"{title(item)}: {index} does not say where it belongs"
            for index, patch in enumerate(item["spec"]["configPatches"])
            if patch.get("match", {}).get("context") != "GATEWAY" or len(patch["match"]) < 2
        ]
    return faults
