"""Which pods are behind Services, for good or until they change."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.mesh.translator.cluster import Labels, Port, Service
from tests.mesh.translator.objects import Rendered
from tests.mesh.translator.proxies import Pod, endpoints_name
from tests.mesh.translator.traffic_policies import rule_for

from headrace_local.envoy import socket_address

Config = dict[str, Any]
ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


class FixedEndpoints:
    """Of all Services and subsets of a chart, once and for all."""

    def __init__(self, rendered: Rendered, pods: Iterable[Pod]) -> None:
        self._rendered = rendered
        self._pods = {pod.name: pod for pod in pods}

    def discovery(self, name: str) -> Config:
        return {"type": "STATIC", "load_assignment": self.assignments()[name]}

    def assignments(self) -> dict[str, Config]:
        """As they are now, by the name of the pods together."""
        return {
            endpoints_name(service, port, subset): self._assignment(service, port, subset, labels)
            for service, port, subset, labels in self._all()
        }

    def _all(self) -> Iterator[tuple[Service, Port, str | None, Labels]]:
        for service in self._rendered.services:
            rule = rule_for(self._rendered, service, None)
            for port in service.ports:
                yield service, port, None, {}
                for subset in rule.subsets:
                    yield service, port, subset, rule.labels(subset)

    def _assignment(
        self, service: Service, port: Port, subset: str | None, labels: Labels
    ) -> Config:
        behind = {each.name: each for each in self._rendered.behind(service, labels)}
        addresses = [
            socket_address(pod.address, pod.doors[behind[pod.workload].port(port)])
            for pod in self._pods.values()
            if pod.workload in behind
        ]
        pods = [{"endpoint": {"address": address}} for address in addresses]
        return {
            "cluster_name": endpoints_name(service, port, subset),
            "endpoints": [{"lb_endpoints": pods}] if pods else [],
        }


class ChangingEndpoints(FixedEndpoints):
    """Pods come and go as they do in a cluster: Envoys read files anew when these change.

    Each file that an Envoy watches takes an inotify instance, of which a user may have 128.
    """

    def __init__(self, rendered: Rendered, pods: Iterable[Pod], directory: Path) -> None:
        super().__init__(rendered, pods)
        self._directory = directory
        self._write()

    def discovery(self, name: str) -> Config:
        source = {"path": str(self._path(name))}
        found = {"path_config_source": source, "resource_api_version": "V3"}
        return {
            "type": "EDS",
            "eds_cluster_config": {"service_name": name, "eds_config": found},
        }

    def remove(self, pod: Pod) -> None:
        """What happens first to a pod that is told to end."""
        del self._pods[pod.name]
        self._write()

    def add(self, pod: Pod) -> None:
        """What happens to a pod that is ready."""
        self._pods[pod.name] = pod
        self._write()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _write(self) -> None:
        for name, assignment in self.assignments().items():
            unfinished = self._path(name).with_suffix(".unfinished")
            unfinished.write_text(json.dumps({"resources": [{"@type": ASSIGNMENT, **assignment}]}))
            unfinished.replace(self._path(name))  # Envoy looks when a file comes, not when it grows
