"""A real PostgreSQL or Redis that tests kill and freeze; once killed, it is started again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from headrace_local import postgres, probes, redis
from headrace_local.components import Component
from headrace_local.directories import runtime_directory
from headrace_local.status import Phase, Status
from headrace_local.supervisor import RestartPolicy, Supervisor
from headrace_local.testing import suspended

POLICY = RestartPolicy(maximum=100, window_seconds=1, first_pause_seconds=0.05)


class BreakableServer:
    """One supervised server, told of its own changes; made by the functions below."""

    def __init__(self, component: Component, url: str, log: Path) -> None:
        self.url = url
        self._name = component.name
        self._supervisor = Supervisor(
            (component,), log_of=lambda _: log, observers=(self,), policy=POLICY
        )
        self._ready = asyncio.Event()

    def changed(self, status: Status) -> None:
        """See Observer."""
        if status.phase is Phase.READY:
            self._ready.set()

    def say(self, sentence: str) -> None:
        """See Observer."""

    async def start(self) -> None:
        await self._supervisor.start()

    async def stop(self) -> None:
        await self._supervisor.stop()

    async def kill(self) -> None:
        """`kill -9` of all its processes at once; returns when it takes connections again."""
        self._ready.clear()
        leader = self._leader()
        for process in (leader, *leader.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # children notice when their parent has died
                process.kill()
        async with asyncio.timeout(30):
            await self._ready.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop (SIGSTOP) all its processes for the length of the block."""
        with suspended(self._leader()):
            yield

    def _leader(self) -> psutil.Process:
        identity = self._supervisor.status(self._name).process
        if identity is None:
            raise RuntimeError(f"{self._name} does not run")
        return psutil.Process(identity.pid)


@asynccontextmanager
async def breakable_postgres() -> AsyncIterator[BreakableServer]:
    """A server with an empty database in a directory that vanishes."""
    with runtime_directory() as directory:
        sockets = directory / "sockets"
        component = Component(
            "postgres",
            postgres.command(directory / "data", sockets, "fsync=off"),
            layer=0,
            probe=probes.postgres(sockets),
            stop_signal=signal.SIGINT,
        )
        async with _running(component, postgres.url(sockets), directory) as server:
            yield server


@asynccontextmanager
async def breakable_redis() -> AsyncIterator[BreakableServer]:
    """A server with an empty database in a directory that vanishes."""
    with runtime_directory() as directory:
        socket = directory / "redis.sock"
        component = Component(
            "redis",
            redis.command(directory, socket, durable=False),
            layer=0,
            probe=probes.redis(socket),
        )
        async with _running(component, redis.url(socket), directory) as server:
            yield server


@asynccontextmanager
async def _running(
    component: Component, url: str, directory: Path
) -> AsyncIterator[BreakableServer]:
    server = BreakableServer(component, url, directory / f"{component.name}.log")
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
