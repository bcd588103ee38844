"""The `restricted` Pod Security profile, and what Headrace adds to it."""

import re
from collections.abc import Iterator

from tests.chart.objects import Object, Objects, Pod, pods

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret", "image",
}  # fmt: skip
"""What `restricted` allows; an image volume is read-only and comes from a registry."""
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
SECCOMP = ("RuntimeDefault", "Localhost")
PROXY_UID = 1337
"""Of Istio's sidecar, whose own traffic it leaves alone: a service must not share it."""
IMAGE = re.compile(r"^[a-z0-9.\-]+(:\d+)?(/[a-z0-9._\-]+)+:(?P<tag>[\w][\w.\-]*)(@sha256:.{64})?$")


def pods_are_restricted(objects: Objects) -> list[str]:
    """The parts of the profile that are about pods as a whole."""
    return [f"{pod.title}: {fault}" for pod in pods(objects) for fault in _pod_faults(pod)]


def _pod_faults(pod: Pod) -> Iterator[str]:
    spec, context = pod.spec, pod.spec.get("securityContext") or {}
    yield from (f"{name} is on" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    for volume in spec.get("volumes") or []:
        if not VOLUMES.issuperset(volume.keys() - {"name"}):
            yield f"volume {volume['name']} is of a kind that is not allowed"
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"sysctl {sysctl['name']} is not safe"
    if spec.get("ephemeralContainers"):
        yield "has ephemeral containers"


def containers_are_restricted(objects: Objects) -> list[str]:
    """The rest of the profile, with what a container inherits from its pod."""
    return [
        f"{pod.title}: {container['name']}: {fault}"
        for pod in pods(objects)
        for container in pod.containers
        for fault in _container_faults(container, _context(pod, container))
    ]


def _context(pod: Pod, container: Object) -> Object:
    return {**(pod.spec.get("securityContext") or {}), **(container.get("securityContext") or {})}


def _container_faults(container: Object, context: Object) -> Iterator[str]:
    if context.get("privileged"):
        yield "is privileged"
    if (container.get("securityContext") or {}).get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if (context.get("seccompProfile") or {}).get("type") not in SECCOMP:
        yield "has no seccompProfile"
    if context.get("procMount", "Default") != "Default":
        yield "sees more of /proc"
    yield from _capability_faults(context.get("capabilities") or {})
    yield from _profile_faults(context)
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"takes port {port['hostPort']} of its node"
    for probe in _handlers(container):
        for kind in ("httpGet", "tcpSocket"):
            if (probe.get(kind) or {}).get("host"):
                yield "a probe asks another host"


def _capability_faults(capabilities: Object) -> Iterator[str]:
    if "ALL" not in (capabilities.get("drop") or []):
        yield "keeps capabilities"
    if extra := set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"adds the capability {', '.join(sorted(extra))}"


def _profile_faults(context: Object) -> Iterator[str]:
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "is not confined by AppArmor"
    if context.get("seLinuxOptions"):
        yield "chooses SELinux options"
    if context.get("windowsOptions"):
        yield "has options for Windows"


def _handlers(container: Object) -> Iterator[Object]:
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield container.get(name) or {}
    yield from (container.get("lifecycle") or {}).values()


def containers_cannot_change_themselves(objects: Objects) -> list[str]:
    """Beyond the profile: a read-only root, and a UID that the image cannot choose."""
    faults = []
    for pod in pods(objects):
        for container in pod.containers:
            context, where = _context(pod, container), f"{pod.title}: {container['name']}"
            user = context.get("runAsUser")
            if context.get("readOnlyRootFilesystem") is not True:
                faults.append(f"{where}: its root file system can be written")
            if not isinstance(user, int) or user in (0, PROXY_UID):
                faults.append(f"{where}: runs as user {user}")
            if not isinstance(context.get("runAsGroup"), int):
                faults.append(f"{where}: does not say its group")
    return faults


def images_have_versions(objects: Objects) -> list[str]:
    """A tag that moves would make two pods of one Deployment differ."""
    return [
        f"{pod.title}: image {image}"
        for pod in pods(objects)
        for image in _images(pod)
        if (found := IMAGE.match(image)) is None
        or not re.search(r"\d", found["tag"])
        or found["tag"] == "latest"
    ]


def _images(pod: Pod) -> Iterator[str]:
    yield from (container["image"] for container in pod.containers)
    for volume in pod.spec.get("volumes") or []:
        if "image" in volume:
            yield volume["image"]["reference"]


def resources_are_bounded(objects: Objects) -> list[str]:
    """Each container asks for CPU and memory, and has a limit of memory and of disk it may use."""
    faults = []
    for pod in pods(objects):
        for container in pod.containers:
            resources = container.get("resources") or {}
            requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
            where = f"{pod.title}: {container['name']}"
            faults += [f"{where}: requests no {n}" for n in ("cpu", "memory") if n not in requests]
            faults += [] if "memory" in limits else [f"{where}: has no limit of memory"]
            faults += [
                f"{where}: requests more {name} than its limit"
                for name in requests.keys() & limits.keys()
                if is_quantity(requests[name]) and is_quantity(limits[name])
                if quantity(requests[name]) > quantity(limits[name])
            ]
        faults += [
            f"{pod.title}: volume {volume['name']} may fill the node's disk"
            for volume in pod.spec.get("volumes") or []
            if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit")
        ]
    return faults


QUANTITY = re.compile(r"^(?P<number>\d+(\.\d+)?)(?P<unit>m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
UNITS = {
    None: 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


def quantity(text: str | int | float) -> float:
    """A Kubernetes quantity as a number; raises ValueError for what is none."""
    found = QUANTITY.match(str(text))
    if found is None:
        raise ValueError(f"{text} is no quantity")
    return float(found["number"]) * UNITS[found["unit"]]


def quantities_are_quantities(objects: Objects) -> list[str]:
    """The schemas take any string for one."""
    faults = []
    for pod in pods(objects):
        given = [
            amount
            for container in pod.containers
            for part in ("requests", "limits")
            for amount in ((container.get("resources") or {}).get(part) or {}).values()
        ]
        given += [
            limit
            for volume in pod.spec.get("volumes") or []
            if (limit := (volume.get("emptyDir") or {}).get("sizeLimit")) is not None
        ]
        faults += [f"{pod.title}: {each} is no quantity" for each in given if not is_quantity(each)]
    return faults


def is_quantity(text: str | int) -> bool:
    return QUANTITY.match(str(text)) is not None
