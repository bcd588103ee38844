"""Whatever is named exists: accounts, configuration, secrets' keys, volumes, roles, classes."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.chart.objects import (
    SERVICES,
    Object,
    Objects,
    Pod,
    annotations,
    names,
    of_kind,
    pods,
    title,
)

BUILT_IN_PRIORITIES = {"system-cluster-critical", "system-node-critical"}


def accounts_exist(objects: Objects) -> list[str]:
    """Those that pods run as; a service has its own, since policies go by it."""
    accounts = names(objects, "ServiceAccount")
    return [
        f"{pod.title}: there is no ServiceAccount {account}"
        for pod in pods(objects)
        if (account := pod.spec.get("serviceAccountName", "default")) not in accounts
        if account != "default" or pod.service in SERVICES
    ]


def roles_exist(objects: Objects) -> list[str]:
    faults = []
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        role = binding["roleRef"]
        if role["name"] not in names(objects, role["kind"]):
            faults.append(f"{title(binding)}: there is no {role['kind']} {role['name']}")
        faults += [
            f"{title(binding)}: there is no {subject['kind']} {subject['name']}"
            for subject in binding["subjects"]
            if subject["name"] not in names(objects, subject["kind"])
        ]
    return faults


def tokens_are_for_those_who_need_them(objects: Objects) -> list[str]:
    """A pod has a service account's token if, and only if, a role is bound to the account."""
    bound = {
        subject["name"]
        for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding")
        for subject in binding["subjects"]
    }
    faults = [
        f"{pod.title}: automountServiceAccountToken is {mounts}"
        for pod in pods(objects)
        if (mounts := pod.spec.get("automountServiceAccountToken"))
        is not (pod.running and pod.spec.get("serviceAccountName") in bound)
    ]
    faults += [
        f"{title(account)}: automountServiceAccountToken is not false"
        for account in of_kind(objects, "ServiceAccount")
        if account["metadata"]["name"] not in bound
        and account.get("automountServiceAccountToken") is not False
    ]
    return faults


def config_maps_exist(objects: Objects) -> list[str]:
    """With the keys that are asked for."""
    data = {
        item["metadata"]["name"]: {**(item.get("data") or {}), **(item.get("binaryData") or {})}
        for item in of_kind(objects, "ConfigMap")
    }
    faults = []
    for pod in pods(objects):
        for name, key in _references(pod, "configMap"):
            if name not in data:
                faults.append(f"{pod.title}: there is no ConfigMap {name}")
            elif key is not None and key not in data[name]:
                faults.append(f"{pod.title}: ConfigMap {name} has no key {key}")
    return faults


def secret_references(objects: Objects) -> set[tuple[str, str | None]]:
    """Names and keys of the Secrets that pods read; None is for all of one's keys."""
    return {each for pod in pods(objects) for each in _references(pod, "secret")}


def secret_keys_are_documented(
    documents: str, given: Collection[str]
) -> Callable[[Objects], list[str]]:
    """A key is in the documents, or its Secret is one that the values name or the chart makes."""

    def check(objects: Objects) -> list[str]:
        return [
            f"Secret {name}: the key {key} is not documented"
            for name, key in sorted(secret_references(objects), key=str)
            if name not in given and name not in names(objects, "Secret")
            if key is None or f"`{key}`" not in documents
        ]

    return check


def own_secrets_have_their_keys(objects: Objects) -> list[str]:
    """What the chart makes itself, or has an operator make, has each key that is read."""
    keys = {
        item["metadata"]["name"]: {*(item.get("data") or {}), *(item.get("stringData") or {})}
        for item in of_kind(objects, "Secret")
    }
    for item in of_kind(objects, "ExternalSecret"):
        # `dataFrom` brings whatever the store has; only `data` says which keys there will be.
        if "dataFrom" not in item["spec"]:
            found = {entry["secretKey"] for entry in item["spec"].get("data") or []}
            keys[item["spec"]["target"]["name"]] = found
    return [
        f"Secret {name}: has no key {key}"
        for name, key in sorted(_required_secrets(objects), key=str)
        if name in keys and key is not None and key not in keys[name]
    ]


def _required_secrets(objects: Objects) -> set[tuple[str, str | None]]:
    return {each for pod in pods(objects) for each in _references(pod, "secret", optional=False)}


def _references(pod: Pod, kind: str, *, optional: bool = True) -> Iterator[tuple[str, str | None]]:
    """`kind` is `configMap` or `secret`, as their fields begin; `optional` ones count, too."""
    for source in _sources(pod, kind):
        if not optional and source.get("optional"):
            continue
        name = source.get("name") or source.get("secretName")
        keys = [item["key"] for item in source.get("items") or []] or [source.get("key")]
        yield from ((str(name), key) for key in keys)


def _sources(pod: Pod, kind: str) -> Iterator[dict[str, Any]]:
    for container in pod.containers:
        for env in container.get("env") or []:
            if found := (env.get("valueFrom") or {}).get(f"{kind}KeyRef"):
                yield found
        for source in container.get("envFrom") or []:
            if found := source.get(f"{kind}Ref"):
                yield found
    for volume in pod.spec.get("volumes") or []:
        if kind in volume:
            yield volume[kind]
        for source in (volume.get("projected") or {}).get("sources") or []:
            if kind in source:
                yield source[kind]


def volumes_exist(objects: Objects) -> list[str]:
    """Each mount has a volume, each volume a mount, and what a chart's claim names is there."""
    faults = []
    for pod in pods(objects):
        claims = pod.owner["spec"].get("volumeClaimTemplates") or []
        volumes = {each["name"] for each in pod.spec.get("volumes") or []}
        volumes |= {each["metadata"]["name"] for each in claims}
        mounts = [mount for each in pod.containers for mount in each.get("volumeMounts") or []]
        mounted = {mount["name"] for mount in mounts}
        faults += [f"{pod.title}: there is no volume {name}" for name in mounted - volumes]
        faults += [f"{pod.title}: nothing mounts volume {name}" for name in volumes - mounted]
    return faults


def claims_exist(given: Collection[str]) -> Callable[[Objects], list[str]]:
    """`given` are the claims that the values name, and so somebody else makes."""

    def check(objects: Objects) -> list[str]:
        made = names(objects, "PersistentVolumeClaim") | set(given)
        return [
            f"{pod.title}: there is no PersistentVolumeClaim {name}"
            for pod in pods(objects)
            for volume in pod.spec.get("volumes") or []
            if "persistentVolumeClaim" in volume
            if (name := volume["persistentVolumeClaim"]["claimName"]) not in made
        ]

    return check


def priority_classes_exist(given: Collection[str]) -> Callable[[Objects], list[str]]:
    """`given` are the classes that the values say exist already."""

    def check(objects: Objects) -> list[str]:
        known = names(objects, "PriorityClass") | BUILT_IN_PRIORITIES | set(given)
        return [
            f"{pod.title}: there is no PriorityClass {name}"
            for pod in pods(objects)
            if (name := pod.spec.get("priorityClassName")) and name not in known
        ]

    return check


def autoscalers_and_budgets_have_targets(objects: Objects) -> list[str]:
    """What is scaled exists, under the same API version."""
    there = {(item["kind"], item["metadata"]["name"]): item["apiVersion"] for item in objects}
    faults = []
    for item in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = item["spec"]["scaleTargetRef"]
        kind, version = target.get("kind", "Deployment"), target.get("apiVersion", "apps/v1")
        if there.get((kind, target["name"])) != version:
            faults.append(f"{title(item)}: there is no {version} {kind} {target['name']}")
    return faults


def hooks_find_what_they_need(objects: Objects) -> list[str]:
    """A hook that runs before the release is installed needs nothing that comes with it.

    What it does need is a hook itself, of a lower weight, or was there before.
    """
    faults = []
    for pod in pods(objects):
        if "pre-install" not in hook_events(pod.owner):
            continue
        for kind, name in _needs(pod):
            for item in of_kind(objects, kind):
                if item["metadata"]["name"] == name and not _comes_before(item, pod.owner):
                    faults.append(f"{pod.title}: runs before {title(item)} is there")
    return faults


def hook_events(item: Object) -> set[str]:
    return {each.strip() for each in annotations(item).get("helm.sh/hook", "").split(",")} - {""}


def _comes_before(item: Object, hook: Object) -> bool:
    events = hook_events(hook) & {"pre-install", "pre-upgrade"}
    return events <= hook_events(item) and _weight(item) < _weight(hook)


def _weight(item: Object) -> int:
    return int(annotations(item).get("helm.sh/hook-weight", "0"))


def _needs(pod: Pod) -> Iterator[tuple[str, str]]:
    if account := pod.spec.get("serviceAccountName"):
        yield "ServiceAccount", account
    if priority := pod.spec.get("priorityClassName"):
        yield "PriorityClass", priority
    yield from (("ConfigMap", name) for name, _ in _references(pod, "configMap"))
    yield from (("Secret", name) for name, _ in _references(pod, "secret"))
    yield from (("ExternalSecret", name) for name, _ in _references(pod, "secret"))
