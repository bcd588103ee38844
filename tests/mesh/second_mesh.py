"""A second mesh around the same processes, of other objects: what a test leaves out, or adds."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.mesh.layout import INGRESS, Layout, Place, Sidecars, lay_out
from tests.mesh.translator.bootstrap import write_bootstrap
from tests.mesh.translator.objects import Object, read
from tests.mesh.world import World

from headrace_local import envoy, probes
from headrace_local.components import Component
from headrace_local.envoy import socket_address
from headrace_local.supervisor import Supervisor


@contextlib.asynccontextmanager
async def second_mesh(
    world: World,
    objects: Sequence[Object],
    directory: Path,
    *,
    copies: Mapping[str, int] | None = None,
    stand_ins: Mapping[str, str] | None = None,
) -> AsyncIterator[Layout]:
    """All proxies in one Envoy; there are as many pods as there are processes, unless `copies` says
    so. New ones have the processes of those that stand in for them."""
    running = Counter(place.pod.workload for place in world.layout.places.values())
    fresh = lay_out(read(objects), {**running, **(copies or {})})
    places = {
        name: _in_front_of(place, world.layout.places[(stand_ins or {}).get(name, name)])
        for name, place in fresh.places.items()
    }
    admin = fresh.admin[INGRESS.name]
    layout = replace(fresh, places=places, admin=dict.fromkeys(fresh.admin, admin))
    parts = dict(Sidecars.fixed(layout, directory, world.stack.directory.tls).parts())
    config = directory / "envoy.json"
    write_bootstrap(config, "second", parts.values(), socket_address(layout.address, admin))
    probe = probes.http(f"http://{layout.administration(INGRESS.name)}/ready")
    component = Component("envoy", envoy.command(config), layer=0, probe=probe)
    supervisor = Supervisor((component,), log_of=lambda name: directory / f"{name}.log")
    try:
        await supervisor.start()
        yield layout
    finally:
        await supervisor.stop()


def _in_front_of(place: Place, running: Place) -> Place:
    return replace(place, pod=replace(place.pod, application=running.pod.application))
