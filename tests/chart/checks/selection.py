"""Whatever selects pods selects the right ones, and every port that is named is there."""

from collections.abc import Iterator, Mapping

from tests.chart.objects import (
    COMPONENT,
    NAMESPACE,
    Object,
    Objects,
    Pod,
    annotations,
    named,
    of_kind,
    pods,
    running_pods,
    selects,
    service_of_host,
    service_pods,
    title,
)


def services_have_pods(objects: Objects) -> list[str]:
    """Each Service selects pods of its own component and nobody else's."""
    faults = []
    for service in of_kind(objects, "Service"):
        if "externalName" in service["spec"]:
            continue
        chosen = service_pods(objects, service)
        own = service["metadata"]["labels"].get(COMPONENT)
        if not chosen:
            faults.append(f"{title(service)}: selects no pod")
        faults += [
            f"{title(service)}: selects {pod.title}, which is {pod.component or 'no component'}"
            for pod in chosen
            if pod.component != own
        ]
    return faults


def workloads_own_their_pods(objects: Objects) -> list[str]:
    """A workload selects the pods of its own template and of no other workload."""
    faults = []
    for pod in running_pods(objects):
        selector = pod.owner["spec"]["selector"]
        if not selects(selector, pod.labels):
            faults.append(f"{pod.title}: does not select its own pods")
        faults += [
            f"{pod.title}: selects the pods of {other.title}, too"
            for other in running_pods(objects)
            if other.title != pod.title and selects(selector, other.labels)
        ]
    return faults


def pods_are_served(objects: Objects) -> list[str]:
    """Nobody could call pods that no Service selects."""
    services = of_kind(objects, "Service")
    served = {pod.title for service in services for pod in service_pods(objects, service)}
    return [
        f"{pod.title}: no Service selects its pods"
        for pod in running_pods(objects)
        if pod.title not in served
    ]


def other_selectors_find_pods(objects: Objects) -> list[str]:
    """Of policies, budgets and monitors; an empty selector means all pods and is meant."""
    labels = [pod.labels for pod in pods(objects)]
    return [
        f"{where}: selects no pod"
        for where, selector in pod_selectors(objects)
        if selector and not any(selects(selector, each) for each in labels)
    ]


def pod_selectors(objects: Objects) -> Iterator[tuple[str, Object]]:
    for item in of_kind(objects, "PodDisruptionBudget", "PodMonitor"):
        yield title(item), item["spec"]["selector"]
    for item in of_kind(objects, "NetworkPolicy"):
        yield title(item), item["spec"]["podSelector"]
        for peer in _peers(item):
            if "namespaceSelector" not in peer and "podSelector" in peer:
                yield f"{title(item)}: peer", peer["podSelector"]
    for item in of_kind(
        objects, "AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "Telemetry"
    ):
        if "selector" in item.get("spec", {}):
            yield title(item), item["spec"]["selector"]
    for item in of_kind(objects, "Sidecar", "EnvoyFilter"):
        selector = item.get("spec", {}).get("workloadSelector")
        # An EnvoyFilter for the ingress gateway's pods lies in their namespace.
        if selector and _of_the_release(item):
            yield title(item), {"matchLabels": selector["labels"]}


def _of_the_release(item: Object) -> bool:
    namespace: str = item["metadata"].get("namespace", NAMESPACE)
    return namespace == NAMESPACE


def _peers(policy: Object) -> Iterator[Object]:
    for rule in policy["spec"].get("ingress") or []:
        yield from rule.get("from") or []
    for rule in policy["spec"].get("egress") or []:
        yield from rule.get("to") or []


def spreading_is_over_own_pods(objects: Objects) -> list[str]:
    """A spread or an affinity between a service's pods counts these pods, not others."""
    faults = []
    for pod in pods(objects):
        spread = pod.spec.get("topologySpreadConstraints") or []
        faults += [
            f"{pod.title}: topology spread over {each['topologyKey']} counts other pods"
            for each in spread
            if not selects(each.get("labelSelector") or {}, pod.labels)
        ]
    return faults


def service_ports_are_open(objects: Objects) -> list[str]:
    """Each target port is one of each pod behind the Service, under the same protocol's name."""
    faults = []
    for service in of_kind(objects, "Service"):
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            faults += [
                f"{title(service)}: port {target} is none of {pod.title}"
                for pod in service_pods(objects, service)
                if not _has_port(pod, target)
            ]
    return faults


def _has_port(pod: Pod, port: str | int) -> bool:
    return port in (pod.ports if isinstance(port, str) else pod.ports.values())


def service_ports_tell_their_protocol(objects: Objects) -> list[str]:
    """Istio and others go by `appProtocol`; a name that says something else would mislead."""
    return [
        f"{title(service)}: port {port.get('name')} has appProtocol {port.get('appProtocol')}"
        for service in of_kind(objects, "Service")
        for port in service["spec"]["ports"]
        if not port.get("appProtocol")
        or ((port["name"] in ("grpc", "http")) and port["appProtocol"] != port["name"])
    ]


def named_ports_exist(objects: Objects) -> list[str]:
    """Of probes, monitors, policies and ingresses."""
    return [
        *_probe_ports(objects),
        *_monitor_ports(objects),
        *_network_policy_ports(objects),
        *_ingress_ports(objects),
    ]


def _probe_ports(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        for container in pod.containers:
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                for port in probed_ports(container.get(name) or {}):
                    if not _has_port(pod, port):
                        yield f"{pod.title}: {name} asks port {port}, which is not there"


def probed_ports(probe: Mapping[str, Object]) -> list[str | int]:
    kinds = ("httpGet", "grpc", "tcpSocket")
    return [probe[kind]["port"] for kind in kinds if kind in probe]


def _monitor_ports(objects: Objects) -> Iterator[str]:
    for monitor in of_kind(objects, "PodMonitor"):
        selector = monitor["spec"]["selector"]
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            port = endpoint.get("port", endpoint.get("portNumber"))
            for pod in running_pods(objects):
                if selects(selector, pod.labels) and not _has_port(pod, port):
                    yield f"{title(monitor)}: {pod.title} has no port {port}"


PROXY_PORTS = {15020, 15090}
"""Of Istio's sidecar, which no manifest shows: its agent's metrics, and its own."""


def _network_policy_ports(objects: Objects) -> Iterator[str]:
    """What a policy lets in, its pods must have open: by name, or by number."""
    for policy in of_kind(objects, "NetworkPolicy"):
        chosen = [
            pod for pod in pods(objects) if selects(policy["spec"]["podSelector"], pod.labels)
        ]
        for rule in policy["spec"].get("ingress") or []:
            for port in rule.get("ports") or []:
                if port.get("port") in PROXY_PORTS:
                    continue
                if "port" in port and not any(_has_port(pod, port["port"]) for pod in chosen):
                    yield f"{title(policy)}: lets port {port['port']} in, which no pod of it has"


def _ingress_ports(objects: Objects) -> Iterator[str]:
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"].get("rules") or []:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                found = named(objects, "Service").get(service["name"])
                if found is None:
                    yield f"{title(ingress)}: there is no Service {service['name']}"
                elif not has_service_port(found, service["port"]):
                    yield f"{title(ingress)}: {service['name']} has no port {service['port']}"


def has_service_port(service: Object, wanted: Object) -> bool:
    """`wanted` names a port or gives its number, as Ingress and VirtualService do."""
    return bool(wanted) and any(
        all(port.get({"number": "port"}.get(key, key)) == value for key, value in wanted.items())
        for port in service["spec"]["ports"]
    )


def annotations_do_not_contradict_ports(objects: Objects) -> list[str]:
    """`prometheus.io/port`, where a pod says it, is one of its ports."""
    return [
        f"{pod.title}: prometheus.io/port is none of its ports"
        for pod in pods(objects)
        if (port := annotations({"metadata": pod.metadata}).get("prometheus.io/port"))
        and int(port) not in pod.ports.values()
    ]


def hosts_of_settings_have_services(objects: Objects) -> list[str]:
    """Where a service's setting names a target in the namespace, there is a port to call."""
    faults = []
    for pod in pods(objects):
        for container in pod.containers:
            for env in container.get("env") or []:
                if env["name"].endswith("_TARGET") and "value" in env:
                    faults += _target_faults(objects, f"{pod.title}: {env['name']}", env["value"])
    return faults


def _target_faults(objects: Objects, where: str, target: str) -> list[str]:
    host, _, port = target.rpartition(":")
    service = service_of_host(objects, host)
    if service is None:
        return [f"{where}: there is no Service {host}"]
    if not port.isdigit() or not has_service_port(service, {"number": int(port)}):
        return [f"{where}: Service {host} has no port {port}"]
    return []
