"""`helm lint --strict` has nothing to say, and would have."""

import shutil
from pathlib import Path

import pytest
from tests.chart.charts import FILES, NAMES
from tests.stack import helm

ICON = "Chart.yaml: icon is recommended"
"""Advice for charts in a catalogue with pictures."""


@pytest.mark.parametrize("name", NAMES)
def test_helm_finds_no_fault(name: str) -> None:
    assert [each for each in helm.lint([FILES[name]]) if each != ICON] == []


def test_helm_finds_a_planted_fault(tmp_path: Path) -> None:
    chart = tmp_path / "headrace"
    shutil.copytree(helm.CHART, chart)
    file = chart / "Chart.yaml"
    file.write_text(file.read_text().replace("apiVersion: v2", "apiVersion: v9"))
    assert [each for each in helm.lint([FILES["default"]], chart=chart) if "apiVersion" in each]
