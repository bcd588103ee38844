"""Ctrl-C, impatience, and kill -9 on a supervisor that is a program of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace_local.processes import Identity
from headrace_local.state import end_leftovers, read_state

PROGRAM = Path(__file__).with_name("supervise_tiny.py")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts supervisors of the same state directory and waits until they are ready."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, PROGRAM, tmp_path / "state", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        read_until(process, "everything is ready")
        return process

    yield begin
    for process in started:
        process.terminate()
        process.communicate(timeout=70)
    end_leftovers(tmp_path / "state" / "run" / "state.json")


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """The lines up to and with the first one that has these words."""
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"it ended without saying {words!r}: {lines}")


def children(tmp_path: Path) -> list[Identity]:
    state = read_state(tmp_path / "state" / "run" / "state.json")
    assert state
    return [part.process for part in state.components if part.process]


def expect_the_end_of(processes: list[Identity]) -> None:
    deadline = time.monotonic() + 10
    while any(process.is_alive() for process in processes):
        assert time.monotonic() < deadline, "a child outlived its supervisor"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_with_exit_code_0(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = start()
    processes = children(tmp_path)
    assert len(processes) == 2
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Stopping; press Ctrl-C again to hurry." in output
    assert "second: stopped" in output
    assert not any(child.is_alive() for child in processes)


def test_a_second_signal_hurries(start: Start, tmp_path: Path) -> None:
    process = start("stubborn")
    processes = children(tmp_path)
    process.send_signal(signal.SIGINT)
    read_until(process, "first: stopping")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "first: stopped (by force)" in output
    assert not any(child.is_alive() for child in processes)


def test_sigterm_twice_is_no_hurry(start: Start) -> None:
    process = start()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "by force" not in output


def test_no_child_outlives_a_killed_supervisor(start: Start, tmp_path: Path) -> None:
    process = start("stubborn")
    processes = children(tmp_path)
    process.kill()
    process.wait(10)
    expect_the_end_of(processes)


def test_the_next_start_cleans_up_after_a_killed_supervisor(start: Start, tmp_path: Path) -> None:
    process = start()
    before = read_state(tmp_path / "state" / "run" / "state.json")
    process.kill()
    process.wait(10)
    assert before
    assert Path(before.runtime).exists()
    start()
    assert not Path(before.runtime).exists()


def test_a_second_supervisor_of_the_same_directory_is_refused(start: Start, tmp_path: Path) -> None:
    start()
    second = subprocess.run(
        [sys.executable, PROGRAM, tmp_path / "state"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode != 0
    assert "A stack is already running" in second.stderr
