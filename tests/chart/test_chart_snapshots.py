"""What each values file renders is what somebody has looked at."""

import os

import pytest
from tests.chart.charts import NAMES
from tests.chart.snapshots import FOLDER, snapshot


@pytest.mark.parametrize("name", NAMES)
def test_the_objects_are_those_of_the_snapshot(name: str) -> None:
    file, text = FOLDER / f"{name}.yaml", snapshot(name)
    if os.environ.get("HEADRACE_WRITE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file.name} is out of date: look, then `make snapshots`"


def test_no_snapshot_is_of_a_file_that_is_gone() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == NAMES
