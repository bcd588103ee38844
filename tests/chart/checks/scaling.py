"""Who owns the number of replicas, and how many pods may be away at the same time."""

import math
from collections.abc import Iterator

from tests.chart.objects import (
    Object,
    Objects,
    Pod,
    named,
    of_kind,
    running_pods,
    selects,
    title,
)

AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def autoscalers(objects: Objects, pod: Pod) -> list[Object]:
    """Those of the workload that makes the pod."""
    name = pod.owner["metadata"]["name"]
    return [
        item
        for item in of_kind(objects, *AUTOSCALERS)
        if item["spec"]["scaleTargetRef"]["name"] == name
    ]


def range_of(objects: Objects, pod: Pod) -> tuple[int, int]:
    """The fewest and the most pods that there are while nothing goes wrong."""
    for item in autoscalers(objects, pod):
        spec = item["spec"]
        if item["kind"] == "ScaledObject":
            return spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
        return spec.get("minReplicas", 1), spec["maxReplicas"]
    return pod.replicas, pod.replicas


def one_owner_of_replicas(objects: Objects) -> list[str]:
    """An autoscaler or the manifest: with both, each upgrade would reset what was scaled."""
    faults = []
    for pod in running_pods(objects):
        owners = [title(item) for item in autoscalers(objects, pod)]
        if len(owners) > 1:
            faults.append(f"{pod.title}: scaled by {' and '.join(owners)}")
        if owners and "replicas" in pod.owner["spec"]:
            faults.append(f"{pod.title}: has replicas, which {owners[0]} owns")
        if not owners and "replicas" not in pod.owner["spec"]:
            faults.append(f"{pod.title}: nobody says how many replicas there are")
    return faults


def autoscalers_have_room(objects: Objects) -> list[str]:
    faults = []
    for pod in running_pods(objects):
        for item in autoscalers(objects, pod):
            fewest, most = range_of(objects, pod)
            if not 1 <= fewest < most:
                faults.append(f"{title(item)}: scales from {fewest} to {most}")
    return faults


def autoscalers_behave(objects: Objects) -> list[str]:
    """Each has something to go by, and says how fast it goes up and down."""
    faults = []
    for item in of_kind(objects, *AUTOSCALERS):
        spec = item["spec"]
        keda = item["kind"] == "ScaledObject"
        if not spec.get("triggers" if keda else "metrics"):
            faults.append(f"{title(item)}: has nothing to scale by")
        advanced = (spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}
        behavior = (advanced if keda else spec).get("behavior") or {}
        faults += [
            f"{title(item)}: does not say how it scales {way[5:].lower()}"
            for way in ("scaleUp", "scaleDown")
            if way not in behavior
        ]
    return faults


def scaled_by_what_is_requested(objects: Objects) -> list[str]:
    """Utilisation is a part of the request, and unknown while a container has none."""
    faults = []
    for item in of_kind(objects, "HorizontalPodAutoscaler"):
        target = named(objects, "Deployment").get(item["spec"]["scaleTargetRef"]["name"])
        for metric in item["spec"].get("metrics") or []:
            resource = metric.get("resource") or metric.get("containerResource")
            if target is None or resource is None:
                continue
            faults += [
                f"{title(item)}: {container['name']} requests no {resource['name']}"
                for container in Pod(target).spec["containers"]
                if resource["name"] not in container["resources"].get("requests", {})
            ]
    return faults


def keda_fails_safely(objects: Objects) -> list[str]:
    """No answer is not "no load": the number of replicas stays, and does not fall to the least."""
    faults = []
    for item in of_kind(objects, "ScaledObject"):
        fallback = item["spec"].get("fallback") or {}
        if fallback.get("behavior") != "currentReplicasIfHigher":
            faults.append(f"{title(item)}: fallback is not currentReplicasIfHigher")
        for trigger in item["spec"]["triggers"]:
            metadata = trigger["metadata"]
            if trigger["type"] != "prometheus":
                continue
            if metadata.get("ignoreNullValues") != "false":
                faults.append(f"{title(item)}: takes the absence of a metric for zero")
            if "avg(" in metadata["query"].replace(" ", ""):
                faults.append(f"{title(item)}: averages a gauge, which hides the busy pods")
    return faults


def budgets(objects: Objects, pod: Pod) -> list[Object]:
    """The PodDisruptionBudgets that hold for a pod."""
    return [
        item
        for item in of_kind(objects, "PodDisruptionBudget")
        if selects(item["spec"]["selector"], pod.labels)
    ]


def budgets_let_nodes_drain(objects: Objects) -> list[str]:
    """A budget that lets nobody go blocks every upgrade of the cluster.

    One pod alone may go, for else its node could never be drained.
    """
    faults = []
    for budget in of_kind(objects, "PodDisruptionBudget"):
        spec = budget["spec"]
        chosen = [pod for pod in running_pods(objects) if selects(spec["selector"], pod.labels)]
        fewest = sum(range_of(objects, pod)[0] for pod in chosen)
        if chosen and _may_go(spec, fewest) < 1:
            faults.append(f"{title(budget)}: of {fewest} pods none may go")
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            faults.append(f"{title(budget)}: pods that are not ready keep their node from draining")
    return faults


def _may_go(spec: Object, pods: int) -> int:
    """How many of so many healthy pods may be evicted; shares are rounded up, as the API does."""
    if "maxUnavailable" in spec:
        return _part(spec["maxUnavailable"], pods)
    return pods - _part(spec["minAvailable"], pods)


def _part(amount: int | str, pods: int) -> int:
    if isinstance(amount, int):
        return amount
    return math.ceil(int(amount.removesuffix("%")) * pods / 100)


def one_budget_per_pod(objects: Objects) -> list[str]:
    """The eviction API refuses pods that several budgets hold for, and services have one each."""
    faults = []
    for pod in running_pods(objects):
        found = [title(item) for item in budgets(objects, pod)]
        if len(found) > 1:
            faults.append(f"{pod.title}: has several budgets: {', '.join(found)}")
        if not found and range_of(objects, pod)[0] > 1:
            faults.append(f"{pod.title}: has several replicas and no budget")
    return faults


def rollouts_keep_serving(objects: Objects) -> list[str]:
    """No pod goes before its successor is ready, and a rollout can take a step at all."""
    return list(_rollout_faults(objects))


def _rollout_faults(objects: Objects) -> Iterator[str]:
    for deployment in of_kind(objects, "Deployment"):
        strategy = deployment["spec"].get("strategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            continue  # a volume that one pod alone can mount
        rolling = strategy.get("rollingUpdate") or {}
        if rolling.get("maxUnavailable") not in (0, "0%"):
            yield f"{title(deployment)}: a rollout takes pods away first"
        if rolling.get("maxSurge", 0) in (0, "0%"):
            yield f"{title(deployment)}: a rollout cannot add a pod"
