"""Stacks whose parts may be killed and frozen, for every chaos test."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from headrace_inference.testing import prepared_model
from headrace_local.components import Engine, Settings
from headrace_local.stack import Stack, StackOptions
from headrace_local.supervisor import RestartPolicy
from headrace_local.testing import stack_in_background

RESTARTS = RestartPolicy(maximum=1000, window_seconds=3, first_pause_seconds=0.1)
"""Never gives up: the tests kill more often than any sane supervisor would bear."""

SETTINGS: Settings = {
    "gateway": {"default_requests_per_minute": "1000000"},
    # So that answers last long enough to be cut.
    "inference": {"echo_token_seconds": "0.003"},
}

StackFactory = Callable[..., AbstractContextManager[Stack]]


@contextmanager
def chaos_stack(settings: Settings | None = None, *, engine: Engine = "echo") -> Iterator[Stack]:
    """A stack of its own; `settings` are added to `SETTINGS`, service by service."""
    wanted = settings or {}
    merged = {
        service: {**SETTINGS.get(service, {}), **wanted.get(service, {})}
        for service in SETTINGS.keys() | wanted.keys()
    }
    # Not pytest's own folder: another pytest of the same user may close it for PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="headrace-chaos-") as state:
        options = StackOptions(
            state=Path(state),
            port=0,
            models=prepared_model().parent if engine == "llamacpp" else None,
            engine=engine,
            settings=merged,
            restarts=RESTARTS,
        )
        with stack_in_background(options) as stack:
            yield stack


@pytest.fixture(scope="session")
def make_stack() -> StackFactory:
    """Starts a stack of the test's own for the length of a block: `chaos_stack`."""
    return chaos_stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack of one module's tests, with the echo engine."""
    with chaos_stack() as running:
        yield running


@pytest.fixture
def report(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Shows measured figures in every run, not in failed ones alone."""
    terminal = request.config.get_terminal_writer()

    def show(figures: str) -> None:
        with capsys.disabled():
            terminal.line()
            terminal.line(figures)

    return show
