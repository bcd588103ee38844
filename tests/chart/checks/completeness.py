"""What the API, or the mesh, would refuse or misread though each field by itself is right."""

from collections.abc import Iterator
from importlib.util import find_spec

from tests.chart.objects import (
    SERVICES,
    Object,
    Objects,
    Pod,
    annotations,
    of_kind,
    pods,
    running_pods,
    service_of_host,
    title,
)

METRICS = {"Resource": "resource", "ContainerResource": "containerResource", "Pods": "pods"}
STATISTICS = ("outlier_detection", "circuit_breakers", "upstream_rq_")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
HANDLERS = {"exec", "grpc", "httpGet", "sleep", "tcpSocket"}


def choices_are_made_once(objects: Objects) -> list[str]:
    """Of fields that exclude each other there is one: volumes, variables, probes, metrics."""
    return [
        *(f"{pod.title}: {fault}" for pod in pods(objects) for fault in _pod_choices(pod)),
        *(
            f"{title(item)}: a metric is no {metric['type']}"
            for item in of_kind(objects, "HorizontalPodAutoscaler")
            for metric in item["spec"].get("metrics") or []
            if not _has_target(metric)
        ),
    ]


def _pod_choices(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.get("volumes") or []:
        if len(volume) != 2:
            yield f"volume {volume['name']} is {len(volume) - 1} kinds"
    for container in pod.containers:
        for env in container.get("env") or []:
            if not _has_value(env):
                yield f"{env['name']} has no value, or several"
        for name in PROBES:
            probe = container.get(name)
            if probe is not None and len(HANDLERS & probe.keys()) != 1:
                yield f"{name} asks {len(HANDLERS & probe.keys())} questions"


def _has_value(env: Object) -> bool:
    if "value" in env:
        return "valueFrom" not in env
    source = env.get("valueFrom") or {}
    reference: Object = next(iter(source.values()), {})
    by_key = "fieldPath" in reference or {"name", "key"} <= reference.keys()
    return len(source) == 1 and by_key


def _has_target(metric: Object) -> bool:
    target = (metric.get(METRICS.get(metric["type"], "")) or {}).get("target") or {}
    return any(name.startswith("average") for name in target)


def jobs_end(objects: Objects) -> list[str]:
    """A Job says what it runs, which the code has, how long, how often, and that it ends then."""
    faults = []
    for job in of_kind(objects, "Job"):
        spec, pod = job["spec"], Pod(job)
        command = pod.main.get("command") or []
        if command[:2] != ["python", "-m"] or len(command) < 3 or find_spec(command[2]) is None:
            faults.append(f"{title(job)}: runs {' '.join(command) or 'the service itself'}")
        faults += [
            f"{title(job)}: has no {name}"
            for name in ("activeDeadlineSeconds", "backoffLimit")
            if name not in spec
        ]
        if pod.spec.get("restartPolicy") not in ("Never", "OnFailure"):
            faults.append(f"{title(job)}: would start again for ever")
    return faults


def init_containers_run_our_code(objects: Objects) -> list[str]:
    """And models that are downloaded or converted have one, for nobody else puts them there."""
    faults = []
    for pod in running_pods(objects):
        for container in pod.spec.get("initContainers") or []:
            command = container.get("command") or []
            if command[:2] != ["python", "-m"] or find_spec(command[2]) is None:
                faults.append(f"{pod.title}: {container['name']} runs {' '.join(command)}")
        links = [env for env in pod.main.get("env") or [] if "/current-" in env.get("value", "")]
        if links and not pod.spec.get("initContainers"):
            faults.append(f"{pod.title}: nobody makes {links[0]['value']}")
    return faults


def claims_are_complete(objects: Objects) -> list[str]:
    """A claim says how much and for whom; it stays when the release goes, and pods can write it."""
    faults = []
    for claim in of_kind(objects, "PersistentVolumeClaim"):
        spec = claim.get("spec") or {}
        if not spec.get("accessModes"):
            faults.append(f"{title(claim)}: does not say who may mount it")
        if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
            faults.append(f"{title(claim)}: does not say how much")
        if annotations(claim).get("helm.sh/resource-policy") != "keep":
            faults.append(f"{title(claim)}: goes with the release")
    faults += [
        f"{pod.title}: its user cannot write its volumes"
        for pod in pods(objects)
        if any("persistentVolumeClaim" in each for each in pod.spec.get("volumes") or [])
        if "fsGroup" not in (pod.spec.get("securityContext") or {})
    ]
    return faults


def destinations_name_a_port(objects: Objects) -> list[str]:
    """Where a Service has several, none is the obvious one; and a VirtualService has routes."""
    faults = []
    for item in of_kind(objects, "VirtualService"):
        routes = item["spec"].get("http") or []
        if not routes:
            faults.append(f"{title(item)}: leads nowhere")
        for destination in (each["destination"] for r in routes for each in r.get("route") or []):
            service = service_of_host(objects, destination["host"]) or {"spec": {"ports": []}}
            if len(service["spec"]["ports"]) > 1 and "port" not in destination:
                faults.append(f"{title(item)}: does not say which port of {destination['host']}")
        faults += list(_crossed_ports(item)) if not item["spec"].get("gateways") else []
    return faults


def _crossed_ports(item: Object) -> Iterator[str]:
    """Of a Service with several ports each has routes of its own."""
    routes = item["spec"].get("http") or []
    ports = [each["route"][0]["destination"].get("port", {}).get("number") for each in routes]
    if len(set(ports)) > 1:
        for route, port in zip(routes, ports, strict=True):
            if any(match.get("port") != port for match in route.get("match") or [{}]):
                yield f"{title(item)}: {route.get('name')} takes calls to other ports than {port}"


def pods_are_in_the_mesh(objects: Objects) -> list[str]:
    """With a mesh, services have a proxy that tells of breakers; Jobs have none, for it stays."""
    if not of_kind(objects, "PeerAuthentication"):
        return []
    faults = []
    for pod in (each for each in pods(objects) if each.service in SERVICES):
        injected = (
            pod.labels.get("sidecar.istio.io/inject") == "true" or "istio.io/rev" in pod.labels
        )
        if injected != pod.running:
            faults.append(f"{pod.title}: has {'a' if injected else 'no'} proxy")
        config = annotations({"metadata": pod.metadata}).get("proxy.istio.io/config", "")
        faults += [
            f"{pod.title}: its proxy tells nothing of {name}"
            for name in STATISTICS
            if pod.running and name not in config
        ]
    return faults


def autoscalers_say_their_least(objects: Objects) -> list[str]:
    """Else it would be one; and a target without a version is none that the API finds."""
    faults = []
    for item in of_kind(objects, "HorizontalPodAutoscaler"):
        if "minReplicas" not in item["spec"]:
            faults.append(f"{title(item)}: does not say the fewest")
        if item["spec"]["scaleTargetRef"].get("apiVersion") != "apps/v1":
            faults.append(f"{title(item)}: does not say what kind its target is")
    return faults
