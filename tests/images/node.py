"""Runs the pods of a rendered chart with podman: init containers, services, Jobs, their probes."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.images.builds import image_name
from tests.images.pods import Cluster, Pod, service_of
from tests.images.workshop import inspect, podman, run_container
from tests.stack.helm import Object

from headrace_local import probes
from headrace_local.probes import NotReadyError, Probe

START_SECONDS = 120.0
PORTS = {"http": 8080, "grpc": 9000}


@dataclass(slots=True)
class Running:
    """The container of a Deployment's pod."""

    pod: Pod
    container: Object
    id: str
    started: float = field(default_factory=time.monotonic)
    ready_seconds: float = 0.0

    async def ready(self) -> None:
        """Wait until its readiness probe succeeds, and note how long that took."""
        probe = self.probe("readinessProbe")
        while True:
            try:
                await probe()
            except NotReadyError:
                state = inspect("container", self.id)["State"]
                assert state["Running"], f"{self.pod.name} ended:\n{podman('logs', self.id)}"
                waited = time.monotonic() - self.started
                assert waited < START_SECONDS, f"{self.pod.name}:\n{podman('logs', self.id)}"
                await asyncio.sleep(0.1)
            else:
                self.ready_seconds = time.monotonic() - self.started
                return

    def probe(self, name: str) -> Probe:
        """One of the three that the chart has."""
        asked = self.container[name]
        if "grpc" in asked:
            service = asked["grpc"].get("service", "")
            return _grpc_probe(f"{self.pod.address}:{asked['grpc']['port']}", service)
        path, port = asked["httpGet"]["path"], PORTS[asked["httpGet"]["port"]]
        return probes.http(f"http://{self.pod.address}:{port}{path}")

    def stop(self) -> int:
        """As a kubelet does; its exit code."""
        grace = self.pod.spec["terminationGracePeriodSeconds"]
        podman("stop", "--time", str(grace), self.id)
        return int(inspect("container", self.id)["State"]["ExitCode"])

    def start_again(self) -> None:
        """The same container, as it is."""
        self.started = time.monotonic()
        podman("start", self.id)


class Node:
    """Has the pods of one cluster."""

    def __init__(self, cluster: Cluster, containers: ExitStack) -> None:
        self.cluster = cluster
        self.running: dict[str, Running] = {}
        """By Deployment."""
        self._containers = containers

    def start(self, deployment: Object) -> None:
        """Its init containers to their end, then its one container; does not wait for it."""
        pod = self.cluster.pod(deployment)
        for container in pod.spec.get("initContainers", ()):
            self.run(pod, container)
        [container] = pod.spec["containers"]
        image = image_name(service_of(container["image"]))
        made = run_container("--detach", *pod.arguments(container, image))
        self._containers.callback(podman, "rm", "--force", "--time", "5", made)
        self.running[pod.name] = Running(pod, container, made)

    def run(self, pod: Pod, container: Object) -> str:
        """To its end; what it printed to standard output."""
        image = image_name(service_of(container["image"]))
        return run_container("--rm", *pod.arguments(container, image))

    def run_job(self, job: Object) -> str:
        pod = self.cluster.pod(job)
        [container] = pod.spec["containers"]
        return self.run(pod, container)


@contextmanager
def running_node(cluster: Cluster) -> Iterator[Node]:
    """All Deployments, with what the chart's Jobs do done, and all ready."""
    with ExitStack() as containers:
        node = Node(cluster, containers)
        # All at once, as a cluster does: services wait for what the Jobs do.
        with ThreadPoolExecutor() as kubelet:
            jobs = kubelet.map(node.run_job, cluster.of_kind("Job"))
            deployments = kubelet.map(node.start, cluster.of_kind("Deployment"))
            assert len([*jobs, *deployments]) > 0
        asyncio.run(_all_ready(node))
        yield node


async def _all_ready(node: Node) -> None:
    async with asyncio.TaskGroup() as tasks:
        for container in node.running.values():
            tasks.create_task(container.ready())


def _grpc_probe(address: str, service: str) -> Probe:
    async def look() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            asked = health_pb2.HealthCheckRequest(service=service)
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=2)
            except grpc.aio.AioRpcError as error:
                raise NotReadyError("not ready yet") from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise NotReadyError("not ready yet")

    return look
