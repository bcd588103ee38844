"""What becomes of children that start, die, come back, and do not want to stop."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from headrace_local.errors import ComponentFailedError
from headrace_local.processes import Identity
from headrace_local.status import Phase
from headrace_local.supervisor import RestartPolicy
from headrace_local.testing import Recorder, Supervise, Tiny

DIE = "import sys; print('no such table: users'); sys.exit(3)"
STUBBORN = (
    "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch();\nwhile True: signal.pause()"
)
WITH_GRANDCHILD = (
    "import pathlib, signal, subprocess, sys;"
    "grandchild = subprocess.Popen(['sleep', '300']);"
    "pathlib.Path(sys.argv[1]).write_text(str(grandchild.pid)); signal.pause()"
)


def ends_within(seconds: float, process: Identity) -> bool:
    """Whether the kernel has carried out a SIGKILL that was sent."""
    deadline = time.monotonic() + seconds
    while process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not process.is_alive()


async def test_a_component_starts_when_what_it_needs_is_ready(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    supervisor = supervise(tiny("second", needs=("first",)), tiny("first"))
    await supervisor.start()
    order = [(status.name, status.phase) for status in recorder.history]
    assert order.index(("first", Phase.READY)) < order.index(("second", Phase.STARTING))
    waiting = [status.detail for status in recorder.history if status.name == "second"]
    assert "for first" in waiting


async def test_a_task_hands_its_last_line_to_those_that_need_it(
    tiny: Tiny, supervise: Supervise, tmp_path: Path
) -> None:
    task = tiny("task", "print('loading'); print('/models/a.gguf')", probe=None)
    code = (
        "import os, pathlib, sys, signal;"
        "pathlib.Path(sys.argv[1] + '.got').write_text(os.environ['MODEL']);"
        "pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    )
    user = tiny("user", code, needs=("task",), results={"MODEL": "task"})
    await supervise(task, user).start()
    assert (tmp_path / "user.up.got").read_text() == "/models/a.gguf"


async def test_children_see_their_own_settings_and_nothing_else(
    tiny: Tiny, supervise: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOMEBODYS_TOKEN", "canary")
    code = (
        "import json, os, pathlib, sys, signal;"
        "pathlib.Path(sys.argv[1] + '.got').write_text(json.dumps(dict(os.environ)));"
        "pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    )
    await supervise(tiny("child", code, environment={"HEADRACE_A": "1"})).start()
    seen = (tmp_path / "child.up.got").read_text()
    assert "HEADRACE_A" in seen
    assert "canary" not in seen


async def test_a_child_that_dies_at_start_is_named_with_its_code_and_log(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    supervisor = supervise(tiny("good"), tiny("auth", DIE))
    with pytest.raises(ComponentFailedError) as caught:
        await supervisor.start()
    message = str(caught.value)
    assert message.startswith("auth ended with exit code 3 while starting")
    assert "no such table: users" in message
    assert "make logs SERVICE=auth" in message
    await supervisor.stop()
    good = [status for status in recorder.history if status.name == "good"]
    assert not any(status.process and status.process.is_alive() for status in good)


async def test_a_child_that_never_gets_ready_is_given_up(tiny: Tiny, supervise: Supervise) -> None:
    slow = tiny("slow", "import signal; signal.pause()", start_seconds=0.3)
    with pytest.raises(ComponentFailedError, match="slow was not ready after 0 s"):
        await supervise(slow).start()


async def test_a_child_that_dies_later_is_started_again(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    await supervise(tiny("child")).start()
    first = await recorder.until(lambda status: status.phase is Phase.READY)
    assert first.process
    os.kill(first.process.pid, signal.SIGKILL)
    again = await recorder.until(lambda s: s.phase is Phase.READY and s.restarts == 1)
    assert again.process != first.process
    assert again.process
    assert again.process.is_alive()
    assert recorder.sentences == ["child ended with SIGKILL; it is started again in 0.0 s."]


async def test_a_child_that_dies_too_often_ends_the_stack(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    policy = RestartPolicy(maximum=2, window_seconds=60, first_pause_seconds=0.01)
    code = (
        "import pathlib, sys, time; path = pathlib.Path(sys.argv[1]); path.touch();"
        "time.sleep(0.5); sys.exit(1)"
    )
    supervisor = supervise(tiny("child", code), policy=policy)
    await supervisor.start()
    with pytest.raises(ComponentFailedError, match="exit code 1, 3 times within 60 s"):
        async with asyncio.timeout(20):
            await supervisor.failed()
    assert len(recorder.sentences) == 2


async def test_sigterm_that_is_ignored_is_followed_by_sigkill(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    supervisor = supervise(tiny("stubborn", STUBBORN, stop_seconds=0.3))
    await supervisor.start()
    begin = time.monotonic()
    await supervisor.stop()
    assert 0.3 <= time.monotonic() - begin < 3
    last = recorder.history[-1]
    assert (last.phase, last.detail) == (Phase.STOPPED, "by force")


async def test_hurry_ends_the_patience(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    hurry = asyncio.Event()
    supervisor = supervise(tiny("stubborn", STUBBORN, stop_seconds=60), hurry=hurry)
    await supervisor.start()
    stopping = asyncio.create_task(supervisor.stop())
    await recorder.until(lambda status: status.phase is Phase.STOPPING)
    hurry.set()
    async with asyncio.timeout(5):
        await stopping
    last = recorder.history[-1]
    assert (last.phase, last.detail) == (Phase.STOPPED, "by force")


async def test_higher_layers_stop_first(
    tiny: Tiny, supervise: Supervise, recorder: Recorder
) -> None:
    supervisor = supervise(tiny("data", layer=0), tiny("door", layer=2), tiny("service", layer=1))
    await supervisor.start()
    await supervisor.stop()
    stopped = [status.name for status in recorder.history if status.phase is Phase.STOPPED]
    assert stopped == ["door", "service", "data"]


async def test_grandchildren_end_with_their_parent(
    tiny: Tiny, supervise: Supervise, tmp_path: Path
) -> None:
    supervisor = supervise(tiny("parent", WITH_GRANDCHILD))
    await supervisor.start()
    grandchild = Identity.of(int((tmp_path / "parent.up").read_text()))
    assert grandchild
    await supervisor.stop()
    assert ends_within(5, grandchild)
