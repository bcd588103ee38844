"""One installation of the chart for all tests of the mesh."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.mesh.world import World, running_world
from tests.stack.helm import render

HERE = Path(__file__).parent
VALUES = HERE / "values.yaml"
COPIES = {"headrace-inference-pair": 2}
TROUBLED = "headrace-inference-pair-1"


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Two pods of the model `pair`, of which one can be told to fail; one of everything else."""
    command = (sys.executable, "-u", str(HERE / "troubled_model.py"))
    with running_world(render([VALUES]), COPIES, {TROUBLED: command}) as running:
        yield running
