"""DestinationRules: whom they are for, and that their breakers have these values and act."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tests.chart.checks.environment import settings_of
from tests.chart.checks.scaling import range_of
from tests.chart.objects import (
    COMPONENT,
    Object,
    Objects,
    Pod,
    component_of_host,
    of_kind,
    running_pods,
    selects,
    service_of_host,
    service_pods,
    title,
)

OUTLIERS: Mapping[str, Object] = MappingProxyType(
    {
        "inference": {
            "consecutiveGatewayErrors": 5, "consecutive5xxErrors": 10,
            "splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": 5,
            "interval": "10s", "baseEjectionTime": "30s", "maxEjectionPercent": 50,
        },
        "auth": {
            "consecutiveGatewayErrors": 5, "consecutive5xxErrors": 10,
            "interval": "5s", "baseEjectionTime": "15s", "maxEjectionPercent": 50,
        },
        "cache": {
            "consecutiveGatewayErrors": 5, "consecutive5xxErrors": 10,
            "interval": "5s", "baseEjectionTime": "15s", "maxEjectionPercent": 50,
        },
        "audit": {
            "consecutiveGatewayErrors": 5, "consecutive5xxErrors": 0,
            "interval": "10s", "baseEjectionTime": "30s", "maxEjectionPercent": 50,
        },
    }
)  # fmt: skip
CONNECT_TIMEOUTS = {"inference": "2s", "auth": "1s", "cache": "1s", "audit": "1s"}
MANY_CALLERS = 20
REQUESTS = {"auth": 1024, "cache": 1024, "audit": 512}


def rules(objects: Objects) -> Iterator[tuple[Object, str]]:
    """DestinationRules with the component that they are about."""
    for rule in of_kind(objects, "DestinationRule"):
        yield rule, component_of_host(objects, rule["spec"]["host"])


def policies(rule: Object) -> Iterator[tuple[str, Object]]:
    """Of a DestinationRule: its own, and those of its subsets, which inherit nothing."""
    yield title(rule), rule["spec"].get("trafficPolicy") or {}
    for subset in rule["spec"].get("subsets") or []:
        yield f"{title(rule)}: {subset['name']}", subset.get("trafficPolicy") or {}


def hosts_have_services(objects: Objects) -> list[str]:
    """A rule for a host that is not there changes nothing; two for one host exclude each other."""
    hosts = [rule["spec"]["host"] for rule in of_kind(objects, "DestinationRule")]
    faults = [
        f"{title(rule)}: there is no Service {rule['spec']['host']}"
        for rule in of_kind(objects, "DestinationRule")
        if service_of_host(objects, rule["spec"]["host"]) is None
    ]
    short = [host.partition(".")[0] for host in hosts]
    return faults + [
        f"{host}: has several DestinationRules" for host in short if short.count(host) > 1
    ]


def subsets_have_pods(objects: Objects) -> list[str]:
    """A subset's labels are those of pods behind the host, and each pod is in one subset."""
    faults = []
    for rule in of_kind(objects, "DestinationRule"):
        service, subsets = (
            service_of_host(objects, rule["spec"]["host"]),
            rule["spec"].get("subsets"),
        )
        if service is None or not subsets:
            continue
        for pod in service_pods(objects, service):
            chosen = [each["name"] for each in subsets if selects(_labels(each), pod.labels)]
            if len(chosen) != 1:
                faults.append(f"{title(rule)}: {pod.title} is in subsets {chosen}")
        faults += [
            f"{title(rule)}: subset {each['name']} has no pods"
            for each in subsets
            if not any(selects(_labels(each), p.labels) for p in service_pods(objects, service))
        ]
    return faults


def _labels(subset: Object) -> Object:
    return {"matchLabels": subset["labels"]}


def every_server_has_a_breaker(objects: Objects) -> list[str]:
    """With a mesh, each service that has a table's row has a rule for each of its Services."""
    if not of_kind(objects, "DestinationRule"):
        return []
    covered = {rule["spec"]["host"].partition(".")[0] for rule, _ in rules(objects)}
    return [
        f"{title(service)}: no DestinationRule is for it"
        for service in of_kind(objects, "Service")
        if service["metadata"]["labels"].get(COMPONENT) in (*OUTLIERS, "gateway")
        and service["metadata"]["name"] not in covered
    ]


def breakers_are_the_tables(objects: Objects) -> list[str]:
    """Outlier detection and connection pools have the tables' values, subsets included."""
    return [
        f"{where}: {name} is {given}, not {wanted}"
        for rule, component in rules(objects)
        if component in OUTLIERS
        for where, policy in policies(rule)
        for name, given, wanted in _values(component, policy)
        if given != wanted
    ]


def _values(component: str, policy: Object) -> Iterator[tuple[str, object, object]]:
    """The values of a policy that the table has: name, what is given, what is wanted."""
    detection = policy.get("outlierDetection") or {}
    for name, wanted in OUTLIERS[component].items():
        yield name, detection.get(name), wanted
    tcp = (policy.get("connectionPool") or {}).get("tcp") or {}
    yield "connectTimeout", tcp.get("connectTimeout"), CONNECT_TIMEOUTS[component]
    yield "loadBalancer", (policy.get("loadBalancer") or {}).get("simple"), "LEAST_REQUEST"
    if component in REQUESTS:
        yield "http2MaxRequests", _requests(policy), REQUESTS[component]


def breakers_hold_together(objects: Objects) -> list[str]:
    """What Envoy does with values that look harmless; values.yaml says why."""
    return [fault for rule, _ in rules(objects) for fault in _policy_faults(rule)]


def _policy_faults(rule: Object) -> Iterator[str]:
    for where, policy in policies(rule):
        http = (policy.get("connectionPool") or {}).get("http") or {}
        pending, requests = http.get("http1MaxPendingRequests"), http.get("http2MaxRequests")
        if requests is None:
            yield f"{where}: nothing bounds its requests"
        elif pending is not None and pending < requests:
            yield f"{where}: {pending} may wait for a connection, and {requests} may come"
        detection = policy.get("outlierDetection")
        if detection is None:
            yield f"{where}: never ejects a pod"
            continue
        gateway, every = detection.get("consecutiveGatewayErrors", 0), _every(detection)
        if gateway and every and gateway >= every:
            yield f"{where}: {gateway} gateway errors never come before {every} errors"
        balancer = policy.get("loadBalancer") or {}
        if "enabled" not in (balancer.get("localityLbSetting") or {}):
            yield f"{where}: leaves open whether another zone may answer"


def _every(detection: Object) -> int:
    return int(detection.get("consecutive5xxErrors", 5))


def pools_fit_the_model_servers(objects: Objects) -> list[str]:
    """A gateway's share of what all model servers can do at once, and a quarter more."""
    faults = []
    callers = [pod for pod in running_pods(objects) if pod.component == "gateway"]
    gateways = sum(range_of(objects, pod)[0] for pod in callers if not _is_canary(pod))
    for rule, component in rules(objects):
        service = service_of_host(objects, rule["spec"]["host"])
        if component != "inference" or service is None:
            continue
        room = sum(
            range_of(objects, pod)[1] * int(getattr(settings_of(pod), "slots", 0))
            for pod in service_pods(objects, service)
            if not _is_canary(pod)
        )
        wanted = math.ceil(1.25 * room / max(1, gateways))
        for where, policy in policies(rule):
            given = _requests(policy)
            if given is not None and given < wanted:
                faults.append(f"{where}: lets {given} requests through, and {wanted} have room")
    return faults


def _is_canary(pod: Pod) -> bool:
    """Which takes the place of some of the stable ones, and is not reckoned with them."""
    return pod.labels.get("headrace.dev/track") == "canary"


def _requests(policy: Object) -> int | None:
    http: Object = (policy.get("connectionPool") or {}).get("http") or {}
    return http.get("http2MaxRequests")


def callers_are_bounded_apart(objects: Objects) -> list[str]:
    """A pod's own proxy takes the bounds of one caller's for those of all, unless it has others.

    The gateway bounds what comes from outside, whoever sends it, far below what the edge may send.
    """
    faults = []
    bounds = {
        component: _requests(rule["spec"].get("trafficPolicy") or {})
        for rule, component in rules(objects)
        if component in OUTLIERS
    }
    for sidecar in of_kind(objects, "Sidecar"):
        bound = bounds.get(sidecar["metadata"]["labels"].get(COMPONENT))
        pool = (sidecar["spec"].get("inboundConnectionPool") or {}).get("http") or {}
        given = pool.get("http2MaxRequests")
        if bound is not None and (given is None or given < MANY_CALLERS * bound):
            faults.append(f"{title(sidecar)}: all callers together have {given or bound} requests")
    return faults


def ejection_can_act(objects: Objects) -> list[str]:
    """Of n pods one may be ejected if 100/n is not above the maximum; the last one never is."""
    faults = []
    for rule, _ in rules(objects):
        service = service_of_host(objects, rule["spec"]["host"])
        if service is None:
            continue
        pods = sum(range_of(objects, pod)[0] for pod in service_pods(objects, service))
        for where, policy in policies(rule):
            most = (policy.get("outlierDetection") or {}).get("maxEjectionPercent", 10)
            if pods > 1 and 100 / pods > most:
                faults.append(f"{where}: of {pods} pods {most}% is less than one")
            if most >= 100:
                faults.append(f"{where}: may eject all pods")
    return faults
