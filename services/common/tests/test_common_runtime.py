"""A process's life: shutdown order, deadlines, dead background tasks, signals during the start."""

import asyncio
import signal
import subprocess
import sys
import textwrap

from headrace_common.runtime import Runtime


async def test_steps_run_in_reverse_and_a_failing_or_hanging_one_stops_nothing() -> None:
    runtime = Runtime(step_seconds=0.05)
    ran: list[str] = []

    async def note(name: str) -> None:
        ran.append(name)

    async def fail() -> None:
        ran.append("failing")
        raise OSError("broken")

    async def hang() -> None:
        ran.append("hanging")
        await asyncio.Event().wait()

    runtime.on_stop("first", lambda: note("first"))
    runtime.on_stop("failing", fail)
    runtime.on_stop("hanging", hang)
    runtime.on_stop("last", lambda: note("last"))
    await runtime.close()
    assert ran == ["last", "hanging", "failing", "first"]
    assert runtime.failed


async def test_a_background_task_that_dies_stops_the_process() -> None:
    runtime = Runtime(step_seconds=1)

    async def die() -> None:
        raise ValueError("gone")

    runtime.start_task("mortal", die())
    async with asyncio.timeout(5):
        await runtime.until_stop()
    assert runtime.failed
    await runtime.close()


async def test_background_tasks_end_with_the_process() -> None:
    runtime = Runtime(step_seconds=1)
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    runtime.start_task("worker", work())
    await started.wait()
    await runtime.close()
    assert cancelled.is_set()
    assert not runtime.failed


async def test_branches_close_at_the_same_time_and_before_what_was_there_first() -> None:
    runtime = Runtime(step_seconds=5)
    ran: list[str] = []
    both = asyncio.Barrier(2)

    async def note(name: str) -> None:
        ran.append(name)

    async def meet() -> None:
        await both.wait()

    runtime.on_stop("below", lambda: note("below"))
    for branch in runtime.branches("doors", 2):
        branch.on_stop("first", lambda: note("first"))
        branch.on_stop("meet", meet)
    await runtime.close()
    assert ran == ["first", "first", "below"]
    assert not runtime.failed


async def test_a_task_that_dies_in_a_branch_stops_the_process() -> None:
    runtime = Runtime(step_seconds=1)

    async def die() -> None:
        raise ValueError("gone")

    runtime.branches("doors", 1)[0].start_task("mortal", die())
    async with asyncio.timeout(5):
        await runtime.until_stop()
    await runtime.close()
    assert runtime.failed


PROGRAM = """
import asyncio, gc
from headrace_common.runtime import run_service

async def start(runtime):
    async def closed():
        print("closed", "frozen" if gc.get_freeze_count() > 1000 else "thawed", flush=True)
    runtime.on_stop("resource", closed)
    print("starting", flush=True)
    {body}

run_service(start, drain_seconds=1)
"""


def _run(body: str, stop_at: str | None) -> tuple[int, str]:
    program = textwrap.dedent(PROGRAM).format(body=body)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    output = ""
    assert process.stdout is not None
    while stop_at is not None and stop_at not in output:
        output += process.stdout.readline()
    if stop_at is not None:
        process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    return process.returncode, output + rest


def test_sigterm_closes_and_exits_with_0() -> None:
    code, output = _run("pass", stop_at="ready")
    assert code == 0
    assert "closed" in output


def test_what_is_there_at_the_start_is_not_looked_through_for_garbage() -> None:
    _, output = _run("pass", stop_at="ready")
    assert "closed frozen" in output


def test_sigterm_during_the_start_cancels_it_and_closes_what_was_built() -> None:
    code, output = _run("await asyncio.Event().wait()", stop_at="starting")
    assert code == 0
    assert "closed" in output


def test_a_failing_start_closes_and_exits_with_1() -> None:
    code, output = _run("raise OSError('no such port')", stop_at=None)
    assert code == 1
    assert "start_failed" in output
    assert "closed" in output
