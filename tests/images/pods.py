"""What a kubelet makes of a pod, as arguments of `podman run`: user, limits, variables, volumes.

Containers share the network of this machine; each pod has a loopback address of its own in place of
the pod's, and Services are names of these in /etc/hosts.
"""

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.chart.checks.pod_security import quantity
from tests.stack.helm import Object

BINDINGS = {"GRPC_ADDRESS": 9000, "METRICS_ADDRESS": 9464, "HTTP_ADDRESS": 8080}
LABEL = "app.kubernetes.io/component"


class Cluster:
    """The objects that a chart rendered, and where its Services are on this machine."""

    def __init__(self, objects: Sequence[Object], folder: Path, network: str) -> None:
        """`network` is the beginning of addresses, such as `127.20.30`."""
        self.folder = folder
        self._objects = objects
        services = sorted(name_of(each) for each in self.of_kind("Service"))
        self.addresses = {name: f"{network}.{10 + i}" for i, name in enumerate(services)}

    def of_kind(self, kind: str) -> list[Object]:
        return [each for each in self._objects if each["kind"] == kind]

    def named(self, kind: str, name: str) -> Object:
        [found] = [each for each in self.of_kind(kind) if name_of(each) == name]
        return found

    def secret(self, name: str) -> dict[str, str]:
        """What a Secret holds, as text."""
        found = self.named("Secret", name)
        plain: dict[str, str] = found.get("stringData", {})
        encoded = found.get("data", {}).items()
        return {key: base64.b64decode(value).decode() for key, value in encoded} | plain

    def address_of(self, labels: Mapping[str, str]) -> str:
        """Of a pod with these labels: that of the Service which selects it; else any."""
        for service in self.of_kind("Service"):
            if service["spec"]["selector"].items() <= labels.items():
                return self.addresses[name_of(service)]
        return "127.0.0.1"

    def pod(self, owner: Object) -> "Pod":
        """The pod that a Deployment or a Job makes."""
        return Pod(self, name_of(owner), owner["spec"]["template"])


class Pod:
    """One pod of the cluster."""

    def __init__(self, cluster: Cluster, name: str, template: Object) -> None:
        self.name = name
        self.spec: Object = template["spec"]
        self.component = template["metadata"]["labels"][LABEL]
        self.address = cluster.address_of(template["metadata"]["labels"])
        self._cluster = cluster

    def arguments(self, container: Object, image: str) -> list[str]:
        """Of `podman run`, from the options on to the command."""
        command = [*container.get("command", ()), *container.get("args", ())]
        entry = [f"--entrypoint={command[0]}"] if "command" in container else []
        rest = command[1:] if entry else command
        return [
            "--network=host",
            *self._security(container),
            *(f"--add-host={name}:{where}" for name, where in self._cluster.addresses.items()),
            *(f"--env={name}={value}" for name, value in self._variables(container)),
            *(f"--volume={volume}" for volume in self._volumes(container)),
            *entry,
            image,
            *rest,
        ]

    def _security(self, container: Object) -> Iterator[str]:
        context = {**self.spec["securityContext"], **container["securityContext"]}
        yield f"--user={context['runAsUser']}:{context['runAsGroup']}"
        yield from (f"--cap-drop={name}" for name in context["capabilities"]["drop"])
        if not context["allowPrivilegeEscalation"]:
            yield "--security-opt=no-new-privileges"
        if context["readOnlyRootFilesystem"]:
            yield from ("--read-only", "--read-only-tmpfs=false")
        memory = int(quantity(container["resources"]["limits"]["memory"]))
        yield from (f"--memory={memory}", f"--memory-swap={memory}")

    def _variables(self, container: Object) -> Iterator[tuple[str, str]]:
        for variable in container.get("env", ()):
            value = variable.get("value")
            if value is None:
                source = variable["valueFrom"]["secretKeyRef"]
                value = self._cluster.secret(source["name"]).get(source["key"])
                assert value is not None or source.get("optional"), variable
            if value is not None:
                yield variable["name"], value
        # All pods have this machine's ports in common, but not their addresses.
        for name, port in BINDINGS.items():
            if name != "HTTP_ADDRESS" or self.component == "gateway":
                yield f"HEADRACE_{self.component.upper()}_{name}", f"{self.address}:{port}"

    def _volumes(self, container: Object) -> Iterator[str]:
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in container["volumeMounts"]:
            mode = "ro" if mount.get("readOnly") else "rw"
            yield f"{self._folder(volumes[mount['name']])}:{mount['mountPath']}:{mode}"

    def _folder(self, volume: Object) -> Path:
        folder: Path = self._cluster.folder / self.name / volume["name"]
        if folder.is_dir():
            return folder
        folder.mkdir(parents=True)
        if "configMap" in volume:
            held = self._cluster.named("ConfigMap", volume["configMap"]["name"])
            for name, text in held["data"].items():
                (folder / name).write_text(text)
        else:
            assert "emptyDir" in volume, volume
            folder.chmod(0o2770)
            os.chown(folder, 0, self.spec["securityContext"]["fsGroup"])
        return folder


def name_of(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def service_of(image: str) -> str:
    """Which of our services an image of the chart is."""
    found = re.search(r"/headrace-([a-z]+):", image)
    assert found is not None, image
    return found[1]
