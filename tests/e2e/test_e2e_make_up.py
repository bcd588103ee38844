"""`make up` as a newcomer meets it: what it prints works, it stops cleanly, it keeps the data."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace_local import checks

ROOT = Path(__file__).parents[2]
READY = "Press Ctrl-C to stop."
START_SECONDS = 15
MAIL_SECONDS = 30
WIDEST_EVENT = 160
"""Columns of a usual terminal over the whole screen."""


class Command:
    """`python -m headrace_local`, which is what the Makefile runs, on a state folder of its own."""

    def __init__(self, state: Path, models: Path) -> None:
        self._environment = {
            **os.environ,
            "HEADRACE_LOCAL_STATE": str(state),
            "HEADRACE_LOCAL_MODELS": str(models),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "headrace_local", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == code, output
        return output

    @contextmanager
    def up(self, port: int, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Yields the running process and what it printed until it was ready."""
        process = self.start("up", "--port", str(port), *arguments)
        assert process.stdout is not None
        printed = ""
        try:
            for line in process.stdout:
                printed += line
                if READY in line:
                    break
            assert READY in printed, printed
            yield process, printed
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


@pytest.fixture
def port() -> int:
    return checks.free_port("127.0.0.1")


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder of the test's own."""
    with tempfile.TemporaryDirectory(prefix="headrace-e2e-") as folder:
        yield Path(folder)


@pytest.fixture
def command(state: Path, models: Path) -> Command:
    """The command with that state folder and the model that the other tests use."""
    return Command(state, models)


def _paste(shell: str) -> str:
    result = subprocess.run(
        ["bash", "-ec", shell], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAIL_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _between(printed: str, start: str, end: str) -> str:
    return printed.split(start, 1)[1].split(end, 1)[0].strip()


def test_what_is_printed_can_be_pasted_and_ctrl_c_stops_cleanly(
    command: Command, port: int
) -> None:
    with command.up(port) as (process, printed):
        assert f"https://localhost:{port}" in printed
        assert re.search(r"admin@headrace\.local\s+\S{16,}", printed)
        curl = _between(printed, "Ask it with curl:", "Or with Python")
        assert '"chat.completion"' in _paste(curl)
        snippet = _between(printed, "the openai package:", "Manage keys")
        assert len(_paste(snippet).split()) > 3
        status = command.run("status")
        for name in (
            "postgres",
            "redis",
            "auth",
            "cache",
            "audit",
            "inference",
            "embeddings",
            "gateway",
            "envoy",
        ):
            assert re.search(rf"{name} .*ready", status), status
        assert '"service": "gateway"' in command.run("logs", "gateway")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, rest
        assert "Everything is stopped." in rest
    assert "Nothing is running" in command.run("status", code=1)


def test_a_second_start_is_quick_and_keeps_keys_and_accounts(command: Command, port: int) -> None:
    with command.up(port) as (_, first):
        assert "already running" in command.run("up", "--port", str(port), code=1)
    began = time.monotonic()
    with command.up(port) as (_, second):
        assert time.monotonic() - began < START_SECONDS
        assert command.run("down") == "Everything is stopped.\n"
    for label in ("Administrator", "API key"):
        assert _between(first, label, "\n") == _between(second, label, "\n")


def test_demo_starts_streams_one_answer_and_stops(command: Command, port: int) -> None:
    printed = command.run("demo", "--port", str(port))
    assert "Everything is stopped." in printed
    assert len(printed.split()) > 30
    assert "Nothing is running" in command.run("down")


def test_reset_deletes_the_data(command: Command, port: int, state: Path) -> None:
    with command.up(port) as (_, first):
        pass
    command.run("reset", "--yes")
    assert not (state / "secrets.json").exists()
    with command.up(port) as (_, second):
        assert _between(first, "API key", "\n") != _between(second, "API key", "\n")


def _documented_sign_up(port: int, state: Path) -> list[str]:
    """The shell block of local/README.md, line by line, for another port and state folder."""
    text = (ROOT / "local" / "README.md").read_text()
    block = text.split("make up REGISTRATION=open", 1)[1].split("```")[1].strip()
    return block.replace("8443", str(port)).replace(".headrace", str(state)).splitlines()


def test_signing_up_goes_as_the_readme_says(command: Command, port: int, state: Path) -> None:
    define, register, *rest = _documented_sign_up(port, state)
    with command.up(port, "--registration", "open"):
        _paste(f"{define}\n{register}")
        _until(lambda: any((state / "data" / "mailbox").glob("*.eml")))
        answers = _paste("\n".join((define, *rest)))
        wrong = rest[-1].replace("a lamp by the river", "no lamp by any river")
        assert '"login_failed"' in _paste(f"{define}\n{wrong}")
        _until(lambda: "login_failures:" in command.run("events"))
        events = command.run("events")
    assert '"access_token":' in answers
    [failed] = [line for line in events.splitlines() if "login_failures:" in line]
    assert "refused: login_failed" in failed
    assert max(map(len, events.splitlines())) <= WIDEST_EVENT


def test_make_passes_the_registration_on() -> None:
    made = _paste("make --dry-run up REGISTRATION=open")
    assert "--registration open" in made
