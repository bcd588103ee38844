"""Small real child programs, and an observer to await what becomes of them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from headrace_local.components import Component
from headrace_local.probes import NotReadyError, Probe
from headrace_local.status import Status
from headrace_local.supervisor import RestartPolicy, Supervisor

# Says that it is there by a file, and then waits; SIGTERM ends it.
SERVE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"


class Recorder:
    """An observer whose news can be awaited."""

    def __init__(self) -> None:
        self.history: list[Status] = []
        self.sentences: list[str] = []
        self._news = asyncio.Event()

    def changed(self, status: Status) -> None:
        self.history.append(status)
        self._news.set()

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    async def until(self, wanted: Callable[[Status], bool], deadline: float = 20) -> Status:
        """The first status that is wanted, of those seen and those to come."""
        async with asyncio.timeout(deadline):
            while True:
                for status in self.history:
                    if wanted(status):
                        return status
                self._news.clear()
                await self._news.wait()


def file_exists(path: Path) -> Probe:
    async def look() -> None:
        if not await asyncio.to_thread(path.exists):
            raise NotReadyError("has not made its file")

    return look


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Component]:
    """Makes a component of a line of Python; it is ready when its file is there."""

    def make(name: str, code: str = SERVE, **options: Any) -> Component:
        mark = tmp_path / f"{name}.up"
        command = (sys.executable, "-c", code, str(mark))
        given = {"layer": 0, "probe": file_exists(mark), "stop_seconds": 5.0, **options}
        return Component(name=name, command=command, **given)

    return make


@pytest.fixture
async def supervise(tmp_path: Path, recorder: Recorder) -> AsyncIterator[Callable[..., Supervisor]]:
    """Makes supervisors and stops them at the end."""
    made: list[Supervisor] = []

    def make(*components: Component, **options: Any) -> Supervisor:
        policy = options.pop("policy", RestartPolicy(first_pause_seconds=0.01))
        supervisor = Supervisor(
            components,
            log_of=lambda name: tmp_path / f"{name}.log",
            observers=(recorder,),
            policy=policy,
            **options,
        )
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        await supervisor.stop()
