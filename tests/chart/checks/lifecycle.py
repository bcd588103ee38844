"""How pods start, are watched, and end: times by a table, and what the services really answer."""

from collections.abc import Iterator

from tests.chart.objects import Object, Objects, Pod, own_pods, running_pods
from tests.stack.settings import SETTINGS

MARGIN_SECONDS = 15
"""For what comes after the drain: flushing, closing, and a busy node."""
LONGEST_STREAM_SECONDS = 300
STREAMING = ("gateway", "inference")
PROBES = {
    # startup, readiness, liveness: (period, failures)
    "gateway": ((2, 30), (5, 2), (10, 6)),
    "inference": ((10, 90), (5, 2), (20, 6)),
    "auth": ((2, 30), (5, 2), (10, 6)),
    "cache": ((2, 30), (5, 2), (10, 6)),
    "audit": ((2, 30), (5, 2), (10, 6)),
}
PRE_STOP_SECONDS = {"gateway": 10, "inference": 15, "auth": 5, "cache": 5, "audit": 5}
KINDS = ("startup", "readiness", "liveness")


def pods_have_time_to_end(objects: Objects) -> list[str]:
    """Grace covers the pause before SIGTERM, the longest drain, and a margin."""
    faults = []
    for pod in own_pods(objects):
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        needed = pre_stop_seconds(pod) + drain_seconds(pod) + MARGIN_SECONDS
        if grace < needed:
            faults.append(f"{pod.title}: is killed after {grace} s, and may need {needed:g}")
    return faults


def pre_stop_seconds(pod: Pod) -> int:
    hook = (pod.main.get("lifecycle") or {}).get("preStop") or {}
    return int((hook.get("sleep") or {}).get("seconds", 0))


def drain_seconds(pod: Pod) -> float:
    """What the pod's environment says, else what the service does by itself."""
    name = f"HEADRACE_{pod.component.upper()}_DRAIN_SECONDS"
    for env in pod.main.get("env") or []:
        if env["name"] == name:
            return float(env["value"])
    return float(SETTINGS[pod.component].model_fields["drain_seconds"].default)


def streams_may_end(objects: Objects) -> list[str]:
    """A drain that is shorter than the longest stream would cut one in each rollout."""
    return [
        f"{pod.title}: drains for {drain:g} s, and streams last {LONGEST_STREAM_SECONDS}"
        for pod in own_pods(objects)
        if pod.component in STREAMING and (drain := drain_seconds(pod)) < LONGEST_STREAM_SECONDS
    ]


def pods_leave_the_mesh_first(objects: Objects) -> list[str]:
    """A pause before SIGTERM, so that callers have heard of it; of the kubelet, not of a shell."""
    faults = []
    for pod in own_pods(objects):
        hook = (pod.main.get("lifecycle") or {}).get("preStop") or {}
        if set(hook) != {"sleep"}:
            faults.append(f"{pod.title}: preStop is not a sleep")
        elif pre_stop_seconds(pod) < PRE_STOP_SECONDS[pod.component]:
            faults.append(f"{pod.title}: preStop sleeps only {pre_stop_seconds(pod)} s")
    return faults


def pods_are_watched(objects: Objects) -> list[str]:
    """Each service has the three probes, at least as patient as the table."""
    faults = []
    for pod in own_pods(objects):
        for kind, wanted in zip(KINDS, PROBES[pod.component], strict=True):
            probe = pod.main.get(f"{kind}Probe")
            if probe is None:
                faults.append(f"{pod.title}: has no {kind} probe")
                continue
            given = probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
            if given != wanted and not _more_patient(kind, given, wanted):
                faults.append(f"{pod.title}: {kind} probe is {given}, not {wanted}")
    return faults


def _more_patient(kind: str, given: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """A model that takes longer to load may have a longer start; nothing else differs."""
    return kind == "startup" and given[0] * given[1] > wanted[0] * wanted[1]


def probes_ask_what_is_answered(objects: Objects) -> list[str]:
    """The gateway's paths, the others' health service; liveness must look at no dependency."""
    faults = []
    for pod in own_pods(objects):
        for kind in KINDS:
            probe = pod.main.get(f"{kind}Probe") or {}
            expected = _expected_question(pod.component, kind)
            if {key: _question(probe, key) for key in expected} != expected:
                faults.append(f"{pod.title}: {kind} probe asks something that is not answered")
    return faults


def _question(probe: Object, kind: str) -> Object:
    """Without what says for whom it is: a Host header, where only some hosts are trusted."""
    asked = probe.get(kind) or {}
    return {name: value for name, value in asked.items() if name != "httpHeaders"}


def _expected_question(component: str, kind: str) -> Object:
    if component == "gateway":
        # Its own path for startup waits for every model, and a model restarts no gateway.
        path = "readiness" if kind == "readiness" else "liveness"
        return {"httpGet": {"path": f"/api/v1/health/{path}", "port": "http"}}
    # A gRPC probe takes no name for its port, and no service means the server as a whole.
    service = {"service": "liveness"} if kind == "liveness" else {}
    return {"grpc": {"port": 9000, **service}}


def sidecars_drain_one_way(objects: Objects) -> list[str]:
    """Of Istio's two ways to drain a sidecar, the second makes the first meaningless."""
    return list(_drain_faults(objects))


def _drain_faults(objects: Objects) -> Iterator[str]:
    for pod in running_pods(objects):
        config = (pod.metadata.get("annotations") or {}).get("proxy.istio.io/config", "")
        if "terminationDrainDuration" in config and "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" in config:
            yield f"{pod.title}: terminationDrainDuration and EXIT_ON_ZERO_ACTIVE_CONNECTIONS"
