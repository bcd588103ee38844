"""Stacks whose parts may be killed and frozen, for every chaos test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from headrace_inference.testing import prepared_model
from headrace_local.components import Engine, Settings
from headrace_local.stack import Stack
from headrace_local.supervisor import RestartPolicy
from headrace_local.testing import temporary_stack

RESTARTS = RestartPolicy(maximum=1000, window_seconds=3, first_pause_seconds=0.1)
"""Never gives up: the tests kill more often than any sane supervisor would bear."""

SETTINGS: Settings = {"gateway": {"default_requests_per_minute": "1000000"}}
# So that answers last long enough to be cut; other engines refuse it.
ECHO_SETTINGS: Settings = {"inference": {"echo_token_seconds": "0.003"}}

StackFactory = Callable[..., AbstractContextManager[Stack]]


@contextmanager
def chaos_stack(settings: Settings | None = None, *, engine: Engine = "echo") -> Iterator[Stack]:
    """A stack of its own; `settings` are added to those of its engine, service by service."""
    usual = {**SETTINGS, **ECHO_SETTINGS} if engine == "echo" else SETTINGS
    wanted = settings or {}
    merged = {
        service: {**usual.get(service, {}), **wanted.get(service, {})}
        for service in usual.keys() | wanted.keys()
    }
    with temporary_stack(
        models=prepared_model().parent if engine == "llamacpp" else None,
        engine=engine,
        settings=merged,
        restarts=RESTARTS,
    ) as stack:
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
