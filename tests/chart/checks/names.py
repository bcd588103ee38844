"""What objects are called and labelled: unique, valid, and the same everywhere."""

import re
from collections import Counter

from tests.chart.objects import NAMESPACE, Object, Objects, of_kind, pods, title

NAME = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
LABEL_KEY = re.compile(r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")
STANDARD_LABELS = {
    "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by", "helm.sh/chart",
}  # fmt: skip
ALL_NAMESPACES = {"PriorityClass", "ClusterRole", "ClusterRoleBinding", "Namespace"}
SHORT = {"Service", "Deployment", "StatefulSet", "Job"}
"""Their names become labels, or labels of DNS, and so have 63 characters at most."""


def objects_are_unique(objects: Objects) -> list[str]:
    """The second of a name would overwrite the first."""
    found = Counter(
        (item["apiVersion"].rpartition("/")[0], title(item), item["metadata"].get("namespace"))
        for item in objects
    )
    return [f"{name}: is there {n} times" for (_, name, _), n in found.items() if n > 1]


def names_are_valid(objects: Objects) -> list[str]:
    faults = []
    for item in objects:
        name = item["metadata"]["name"]
        longest = 63 if item["kind"] in SHORT else 253
        if not NAME.match(name) or len(name) > longest:
            faults.append(f"{title(item)}: is no name")
    return faults


def labels_are_valid(objects: Objects) -> list[str]:
    """The schemas take any string for one."""
    owners: list[tuple[str, Object]] = [(title(item), item["metadata"]) for item in objects]
    owners += [(f"{pod.title}: pod", pod.metadata) for pod in pods(objects)]
    return [
        f"{where}: label {key}={value}"
        for where, metadata in owners
        for key, value in (metadata.get("labels") or {}).items()
        if not LABEL_KEY.match(key) or not LABEL_VALUE.match(str(value))
    ]


def objects_have_the_standard_labels(objects: Objects) -> list[str]:
    return [
        f"{title(item)}: has no label {', '.join(sorted(missing))}"
        for item in objects
        if (missing := STANDARD_LABELS - set(item["metadata"].get("labels") or {}))
    ]


def objects_are_in_the_releases_namespace(objects: Objects) -> list[str]:
    """But for those of the whole cluster, and an EnvoyFilter of the ingress gateway."""
    return [
        f"{title(item)}: is in namespace {namespace}"
        for item in objects
        if (namespace := item["metadata"].get("namespace"))
        != (None if item["kind"] in ALL_NAMESPACES else NAMESPACE)
        and item["kind"] != "EnvoyFilter"
    ]


def selectors_do_not_change_with_versions(objects: Objects) -> list[str]:
    """A workload's selector cannot be changed, so an upgrade must not try."""
    moving = {"app.kubernetes.io/version", "helm.sh/chart", "headrace.dev/model-version"}
    return [
        f"{title(item)}: selects by {label}"
        for item in of_kind(objects, "Deployment", "StatefulSet")
        for label in sorted(moving & set(item["spec"]["selector"].get("matchLabels") or {}))
    ]
