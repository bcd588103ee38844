"""Small real child programs, and supervisors that stop when their test ends."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headrace_local.components import Component
from headrace_local.probes import NotReadyError, Probe
from headrace_local.supervisor import RestartPolicy, Supervisor
from headrace_local.testing import Recorder, Supervise, Tiny

# Says that it is there by a file, and then waits; SIGTERM ends it.
SERVE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"


def file_exists(path: Path) -> Probe:
    async def look() -> None:
        if not await asyncio.to_thread(path.exists):
            raise NotReadyError("has not made its file")

    return look


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """Makes a component of a line of Python; it is ready when its file is there."""

    def make(name: str, code: str = SERVE, **options: Any) -> Component:
        mark = tmp_path / f"{name}.up"
        command = (sys.executable, "-c", code, str(mark))
        given = {"layer": 0, "probe": file_exists(mark), "stop_seconds": 5.0, **options}
        return Component(name=name, command=command, **given)

    return make


@pytest.fixture
async def supervise(tmp_path: Path, recorder: Recorder) -> AsyncIterator[Supervise]:
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
