"""What happens to pods: they are told to end, are killed, come back, and are awaited."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.mesh.calls import statistic
from tests.mesh.world import World

from headrace_local.status import Phase
from headrace_local.testing import terminate

PATIENCE_SECONDS = 40.0
POLL_SECONDS = 0.02


async def until(look: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> float:
    """Look until it is so; how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while True:
            if await look():
                return time.monotonic() - started
            await asyncio.sleep(POLL_SECONDS)


def restarts(world: World, pod: str) -> int:
    return world.stack.supervisor.status(pod).restarts


async def back(world: World, pod: str, before: int) -> None:
    """Wait until a pod that had been started anew so often has been once more, and is ready."""

    async def is_back() -> bool:
        status = world.stack.supervisor.status(pod)
        return status.restarts > before and status.phase is Phase.READY

    await until(is_back)


@asynccontextmanager
async def ending(world: World, pod: str, caller: str, service: str) -> AsyncIterator[None]:
    """A pod ends as Kubernetes has it end: it leaves the endpoints, `preStop` waits until callers
    know, and SIGTERM follows. After the block it comes back."""
    before, place = restarts(world, pod), world.layout.places[pod]
    members = f"{service}.headrace.svc.cluster.local.membership_total"
    known = await statistic(world.layout, caller, members)
    world.endpoints.remove(place.pod)
    try:

        async def is_gone() -> bool:
            return await statistic(world.layout, caller, members) < known

        await until(is_gone)
        terminate(world.stack, pod)
        yield
        await back(world, pod, before)
    finally:
        world.endpoints.add(place.pod)

    async def is_known() -> bool:
        return await statistic(world.layout, caller, members) == known

    await until(is_known)
