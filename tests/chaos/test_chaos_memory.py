"""Memory: what a service holds after 20,000 requests is what it held after 2,000."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from tests.chaos.conftest import StackFactory
from tests.chaos.ledger import settled_rows
from tests.chaos.mixture import Mixture
from tests.chaos.recovery import SERVICES

from headrace_local.stack import Stack
from headrace_local.testing import processes

SHOWN = (*SERVICES, "redis", "postgres", "envoy")
MARKS = (2_000, 5_000, 10_000, 20_000)
MODEL_MARKS = (200, 500, 1_000)
"""Fewer, for with the model two cores get through about five of these requests a second."""
GROWTH = 1.05
MEBIBYTE = 2**20

USUAL_ENDS = {
    "bypass",
    "hit",
    "miss",
    "models 200",
    "bad request 400",
    "stranger 401",
    "left mid-stream 200",
    "left early",
    "answered too soon to leave",
}

Resident = Mapping[str, float]
"""MiB by component, over all of its processes."""


def _resident(stack: Stack) -> Resident:
    return {
        name: sum(process.memory_info().rss for process in processes(stack, name)) / MEBIBYTE
        for name in SHOWN
    }


def _measure(stack: Stack, mixture: Mixture, marks: tuple[int, ...]) -> list[Resident]:
    measured = []
    for mark in marks:
        asyncio.run(mixture.run_until(mark))
        settled_rows(stack)
        measured.append(_resident(stack))
    return measured


def _table(marks: tuple[int, ...], measured: list[Resident]) -> str:
    """For people: a component per line, MiB at each mark."""
    head = f"{'requests':<12}" + "".join(f"{mark:>10,}" for mark in marks)
    lines = (
        f"{name:<12}"
        + "".join(f"{resident[name]:>10.1f}" for resident in measured)
        + f"{measured[-1][name] / measured[0][name] - 1:>+10.1%}"
        for name in SHOWN
    )
    return "\n".join((head, *lines))


def _assert_bounded(measured: list[Resident]) -> None:
    early, late = measured[0], measured[-1]
    assert {name: late[name] for name in SERVICES if late[name] > GROWTH * early[name]} == {}


def _assert_usual(mixture: Mixture) -> None:
    assert set(mixture.ends) <= USUAL_ENDS
    assert mixture.ends["hit"] > 0.1 * mixture.ends.total()


@pytest.mark.timeout(900)
def test_memory_with_the_echo_engine(
    make_stack: StackFactory, report: Callable[[str], None]
) -> None:
    with make_stack({"inference": {"echo_token_seconds": "0"}}) as stack:
        mixture = Mixture(stack, words=8)
        measured = _measure(stack, mixture, MARKS)
    report(f"{_table(MARKS, measured)}\n{mixture}")
    _assert_usual(mixture)
    _assert_bounded(measured)


@pytest.mark.timeout(900)
def test_memory_with_the_model(make_stack: StackFactory, report: Callable[[str], None]) -> None:
    with make_stack(engine="llamacpp") as stack:
        mixture = Mixture(stack, words=2, max_tokens=1)
        measured = _measure(stack, mixture, MODEL_MARKS)
    report(f"{_table(MODEL_MARKS, measured)}\n{mixture}")
    _assert_usual(mixture)
    _assert_bounded(measured)
