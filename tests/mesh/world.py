"""All of Headrace behind real Envoys, as the chart puts it together, on one machine's ports."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio.from_thread import start_blocking_portal
from tests.mesh.endpoints import ChangingEndpoints
from tests.mesh.identities import Identities
from tests.mesh.layout import INGRESS, Layout, Sidecars, lay_out
from tests.mesh.processes import METRICS, Commands, PodProcess
from tests.mesh.translator.objects import Object, read

from headrace_local import envoy, probes
from headrace_local.access import Access, obtain_api_key
from headrace_local.components import MODEL_ID, Component, Plan, headrace
from headrace_local.stack import Stack, StackOptions, supervised
from headrace_local.supervisor import RestartPolicy

RESTARTS = RestartPolicy(maximum=1000, window_seconds=3, first_pause_seconds=1.0)
"""Never gives up; a pod that was killed is away for a while."""
DATABASES = ("postgres", "redis")


@dataclass(frozen=True, slots=True)
class World:
    """What runs."""

    stack: Stack
    layout: Layout
    sidecars: Sidecars
    endpoints: ChangingEndpoints
    objects: Sequence[Object]
    """What the chart was rendered to."""


@dataclass(slots=True)
class _Builder:
    """Puts components together once it is known where they may listen."""

    objects: Sequence[Object]
    copies: dict[str, int]
    commands: Commands
    directory: Path
    sidecars: Sidecars = field(init=False)
    endpoints: ChangingEndpoints = field(init=False)

    def components(self, plan: Plan) -> tuple[Component, ...]:
        layout = lay_out(read(self.objects), self.copies, public_port=plan.port)
        for name in ("identities", "endpoints", "envoys", "pods"):
            (self.directory / name).mkdir()
        self.endpoints = ChangingEndpoints(
            layout.rendered, layout.pods, self.directory / "endpoints"
        )
        self.sidecars = Sidecars(
            layout,
            self.directory / "envoys",
            Identities(self.directory / "identities"),
            self.endpoints,
            plan.directory.tls,
        )
        databases = [each for each in headrace(plan) if each.name in DATABASES]
        proxies = [
            self._proxy(name, path, layout.administration(name))
            for name, path in self.sidecars.write().items()
        ]
        return (*databases, *proxies, *self._pods(plan, layout))

    def _proxy(self, name: str, config: Path, administration: str) -> Component:
        """There before the pod's process, and longer; the ingress ends before all of them."""
        return Component(
            f"{name}-proxy",
            envoy.command(config),
            layer=3 if name == INGRESS.name else 0,
            probe=probes.http(f"http://{administration}/ready"),
        )

    def _pods(self, plan: Plan, layout: Layout) -> Iterator[Component]:
        for name, place in layout.places.items():
            files = self.directory / "pods" / name
            files.mkdir()
            yield PodProcess(layout.rendered, place, plan, files).component(self.commands)


@contextmanager
def running_world(
    objects: Sequence[Object], copies: dict[str, int], commands: Commands
) -> Iterator[World]:
    """In the background, for the length of the block."""
    with (
        TemporaryDirectory(prefix="headrace-mesh-") as directory,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            _running(objects, copies, commands, Path(directory))
        ) as world,
    ):
        yield world


@asynccontextmanager
async def _running(
    objects: Sequence[Object], copies: dict[str, int], commands: Commands, directory: Path
) -> AsyncIterator[World]:
    builder = _Builder(objects, copies, commands, directory)
    options = StackOptions(state=directory / "state", port=0, engine="echo", restarts=RESTARTS)
    hurry = asyncio.Event()
    async with supervised(builder.components, options, hurry=hurry) as (plan, supervisor):
        layout = builder.sidecars.layout
        stack = Stack(await _access(plan), _with_metrics(plan, layout), supervisor)
        yield World(stack, layout, builder.sidecars, builder.endpoints, objects)
        hurry.set()  # how things end is what tests of their own are about


async def _access(plan: Plan) -> Access:
    ca_file = plan.directory.tls / "ca.pem"
    key = await obtain_api_key(plan.url, ca_file, plan.credentials)
    return Access.of(plan.url, ca_file, plan.credentials.with_api_key(key), MODEL_ID)


def _with_metrics(plan: Plan, layout: Layout) -> Plan:
    """So that tests find pods' metrics as they find those of the local stack's services."""
    ports: dict[str, Any] = {f"{pod.name}_metrics": pod.application[METRICS] for pod in layout.pods}
    return replace(plan, ports=ports)
