"""Reading rendered objects: what they are called, which pods there are, and what selects them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Objects = Sequence[Object]
Path = tuple[str | int, ...]

NAMESPACE = "headrace"
COMPONENT = "app.kubernetes.io/component"
SERVICES = ("gateway", "auth", "inference", "cache", "audit")
RUNNING = ("Deployment", "StatefulSet")
WORKLOADS = (*RUNNING, "Job")


def title(item: Object) -> str:
    """Kind and name, as faults tell them."""
    return f"{item.get('kind')}/{item.get('metadata', {}).get('name')}"


def of_kind(objects: Objects, *kinds: str) -> list[Object]:
    return [item for item in objects if item.get("kind") in kinds]


def names(objects: Objects, *kinds: str) -> set[str]:
    return {item["metadata"]["name"] for item in of_kind(objects, *kinds)}


def named(objects: Objects, kind: str) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in of_kind(objects, kind)}


def annotations(item: Object) -> dict[str, str]:
    return item["metadata"].get("annotations") or {}


@dataclass(frozen=True, slots=True)
class Pod:
    """The pods that one workload makes."""

    owner: Object

    @property
    def title(self) -> str:
        return title(self.owner)

    @property
    def metadata(self) -> Object:
        found: Object = self.owner["spec"]["template"].get("metadata") or {}
        return found

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def spec(self) -> Object:
        found: Object = self.owner["spec"]["template"]["spec"]
        return found

    @property
    def component(self) -> str:
        return self.labels.get(COMPONENT, "")

    @property
    def service(self) -> str:
        """Which of Headrace's services the pod is of; a migration is of the one it migrates."""
        return self.component.removesuffix("-migration")

    @property
    def running(self) -> bool:
        """Whether it goes on until it is stopped, as a Job does not."""
        return self.owner["kind"] in RUNNING

    @property
    def containers(self) -> list[Object]:
        """With those that only prepare."""
        return [*(self.spec.get("initContainers") or []), *self.spec["containers"]]

    @property
    def main(self) -> Object:
        """The container that is the service."""
        found: Object = self.spec["containers"][0]
        return found

    @property
    def ports(self) -> dict[str, int]:
        return {
            port["name"]: port["containerPort"]
            for container in self.containers
            for port in container.get("ports") or []
        }

    @property
    def replicas(self) -> int:
        """What the workload itself asks for; see `scaling.range_of` for what an autoscaler does."""
        return int(self.owner["spec"].get("replicas", 1))


def pods(objects: Objects) -> list[Pod]:
    return [Pod(item) for item in of_kind(objects, *WORKLOADS)]


def running_pods(objects: Objects) -> list[Pod]:
    return [pod for pod in pods(objects) if pod.running]


def own_pods(objects: Objects) -> list[Pod]:
    """Those of Headrace's own services, and not of a database for evaluation."""
    return [pod for pod in running_pods(objects) if pod.component in SERVICES]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector holds for labels; an empty one holds for all."""
    plain: Mapping[str, str] = selector.get("matchLabels") or {}
    expressions: Sequence[Object] = selector.get("matchExpressions") or ()
    return plain.items() <= labels.items() and all(_holds(each, labels) for each in expressions)


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    present, value = expression["key"] in labels, labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return present
        case _:
            return not present


def service_pods(objects: Objects, service: Object) -> list[Pod]:
    """Whom a Service sends calls to; one without a selector has none here."""
    selector = service["spec"].get("selector")
    if not selector:
        return []
    found = running_pods(objects)
    return [pod for pod in found if selects({"matchLabels": selector}, pod.labels)]


def service_of_host(objects: Objects, host: str) -> Object | None:
    """The Service that a short or full host name of the mesh means, seen from the namespace."""
    name, _, rest = host.partition(".")
    if rest not in ("", NAMESPACE, f"{NAMESPACE}.svc", f"{NAMESPACE}.svc.cluster.local"):
        return None
    return named(objects, "Service").get(name)


def component_of_host(objects: Objects, host: str) -> str:
    """Of the Service that a host name means; empty if there is none."""
    service = service_of_host(objects, host)
    return service["metadata"]["labels"].get(COMPONENT, "") if service else ""


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every mapping, list and scalar below, with the way there; the value itself comes first."""
    yield path, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))


def shown(path: Path) -> str:
    return ".".join(map(str, path))
