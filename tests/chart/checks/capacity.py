"""What pods need there is: room on disks and in quotas, models where servers look, other zones."""

from pathlib import PurePosixPath

from tests.chart.checks.environment import mount_of, valid_services
from tests.chart.checks.pod_security import is_quantity, quantity
from tests.chart.checks.scaling import range_of
from tests.chart.objects import Object, Objects, Pod, of_kind, own_pods, pods, running_pods, title

from headrace_gateway.settings import GatewaySettings
from headrace_inference.settings import InferenceSettings

ZONE = "topology.kubernetes.io/zone"
QUOTAS = ("requests.cpu", "requests.memory", "limits.memory")


def spools_fit_their_volumes(objects: Objects) -> list[str]:
    """A full volume would evict the gateway, and with it the events that are in it."""
    faults = []
    for pod, settings in valid_services(objects):
        if not isinstance(settings, GatewaySettings):
            continue
        size = _size_limit(pod, str(settings.spool_directory))
        # Segments that are written and not yet deleted come on top.
        if size is not None and size < 1.25 * settings.spool_maximum_bytes:
            faults.append(
                f"{pod.title}: its spool is {settings.spool_maximum_bytes} bytes of {size:g}"
            )
    return faults


def _size_limit(pod: Pod, path: str) -> float | None:
    mount = mount_of(pod.main, path)
    for volume in pod.spec.get("volumes") or []:
        if mount is not None and volume["name"] == mount["name"]:
            limit = (volume.get("emptyDir") or {}).get("sizeLimit")
            return quantity(limit) if limit is not None and is_quantity(limit) else None
    return None


def disks_hold_their_volumes(objects: Objects) -> list[str]:
    """A pod is evicted whose volumes on its own disk grow beyond its limit of disk."""
    faults = []
    for pod in pods(objects):
        limits = [
            (container.get("resources") or {}).get("limits", {}).get("ephemeral-storage")
            for container in pod.spec["containers"]
        ]
        sizes = [
            (volume["emptyDir"] or {}).get("sizeLimit")
            for volume in pod.spec.get("volumes") or []
            if "emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory"
        ]
        given = [each for each in (*limits, *sizes) if each is not None]
        if None in limits or not all(map(is_quantity, given)):
            continue
        room, wanted = sum(map(quantity, limits)), sum(map(quantity, filter(None, sizes)))
        if wanted > room:
            faults.append(f"{pod.title}: volumes of {wanted:g} bytes on a disk of {room:g}")
    return faults


def models_are_where_servers_look(objects: Objects) -> list[str]:
    """What the init container prepares, it links to the path that the server is told."""
    faults = []
    for pod, settings in valid_services(objects):
        if not isinstance(settings, InferenceSettings) or settings.model_path is None:
            continue
        for container in pod.spec.get("initContainers") or []:
            links = [each for each in container["command"] if each.startswith("--link=")]
            if links != [f"--link={settings.model_path}"]:
                faults.append(f"{pod.title}: {links} is prepared, {settings.model_path} served")
            here, there = (
                mount_of(each, str(settings.model_path)) for each in (container, pod.main)
            )
            if here is None or there is None or here["name"] != there["name"]:
                faults.append(f"{pod.title}: prepares the model on another volume")
    return faults


def pods_are_spread(objects: Objects) -> list[str]:
    """Over zones, those of one version by themselves, so that a rollout is spread as well."""
    faults = []
    for pod in own_pods(objects):
        zones = [
            each
            for each in pod.spec.get("topologySpreadConstraints") or []
            if each["topologyKey"] == ZONE
        ]
        if not zones:
            faults.append(f"{pod.title}: all its pods may be in one zone")
        faults += [
            f"{pod.title}: old pods count in a rollout"
            for each in zones
            if "pod-template-hash" not in (each.get("matchLabelKeys") or [])
        ]
    return faults


def quotas_have_room_for_all(objects: Objects) -> list[str]:
    """Of the release's own pods, as many as autoscalers may make."""
    return [
        f"{title(quota)}: {name} is {hard[name]}, and all pods take {needed:g}"
        for quota in of_kind(objects, "ResourceQuota")
        for hard in [quota["spec"]["hard"]]
        for name in (*QUOTAS, "pods")
        if name in hard
        if (needed := _needed(objects, name)) > quantity(hard[name])
    ]


def _needed(objects: Objects, name: str) -> float:
    total = 0.0
    for pod in running_pods(objects):
        each = 1.0 if name == "pods" else sum(_amount(c, name) for c in pod.spec["containers"])
        total += each * range_of(objects, pod)[1]
    return total


def _amount(container: Object, name: str) -> float:
    part, _, resource = name.partition(".")
    amount = (container.get("resources") or {}).get(part, {}).get(resource, 0)
    return quantity(amount) if is_quantity(amount) else 0.0


def mounts_are_absolute(objects: Objects) -> list[str]:
    """And none hides another one in the same container."""
    faults = []
    for pod in pods(objects):
        for container in pod.containers:
            paths = [mount["mountPath"] for mount in container.get("volumeMounts") or []]
            faults += [
                f"{pod.title}: {path} is mounted over"
                for path in paths
                if paths.count(path) > 1 or not PurePosixPath(path).is_absolute()
            ]
    return faults
