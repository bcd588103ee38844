"""Which pods are behind Services: files that Envoys read, and read again when they change."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.mesh.translator.cluster import Port, Service
from tests.mesh.translator.listeners import LOOPBACK
from tests.mesh.translator.objects import Rendered
from tests.mesh.translator.proxies import Pod, endpoints_name
from tests.mesh.translator.traffic_policies import rule_for

from headrace_local.envoy import socket_address

ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


class Endpoints:
    """Of all Services and subsets of a chart; pods come and go as they do in a cluster."""

    def __init__(self, directory: Path, rendered: Rendered, pods: Iterable[Pod]) -> None:
        self._directory = directory
        self._rendered = rendered
        self._pods = {pod.name: pod for pod in pods}
        self.write()

    def path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def remove(self, pod: Pod) -> None:
        """What happens first to a pod that is told to end."""
        del self._pods[pod.name]
        self.write()

    def add(self, pod: Pod) -> None:
        self._pods[pod.name] = pod
        self.write()

    def write(self) -> None:
        for service, port, subset, labels in self._all():
            behind = {each.name for each in self._rendered.behind(service, labels)}
            pods = [pod for pod in self._pods.values() if pod.workload in behind]
            number = [self._rendered.workload(pod.workload).port(port) for pod in pods]
            doors = [pod.doors[n] for pod, n in zip(pods, number, strict=True) if n in pod.doors]
            self._write(endpoints_name(service, port, subset), doors)

    def _all(self) -> Iterator[tuple[Service, Port, str | None, dict[str, str]]]:
        for service in self._rendered.services:
            rule = rule_for(self._rendered, service, None)
            for port in service.ports:
                yield service, port, None, {}
                for subset in rule.subsets:
                    yield service, port, subset, dict(rule.labels(subset))

    def _write(self, name: str, doors: Iterable[int]) -> None:
        pods = [{"endpoint": {"address": socket_address(LOOPBACK, door)}} for door in doors]
        assignment: dict[str, Any] = {
            "@type": ASSIGNMENT,
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": pods}] if pods else [],
        }
        unfinished = self.path(name).with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"resources": [assignment]}))
        unfinished.replace(self.path(name))  # Envoy looks when a file comes, not when it grows
