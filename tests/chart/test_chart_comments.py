"""What scripts/chart makes of commented values: a closed schema, tables, and refusals."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from scripts.chart.readme import readme_of
from scripts.chart.schema import schema_of
from scripts.chart.values import Value, ValuesError, read_values

VALUES = """
# What all have.
defaults:
  # -- How many.
  # @type positive
  replicas: 2
  # -- Anything | at all.
  # @schema {"additionalProperties": {"type": "string"}}
  labels: {}
services:
  # -- The first.
  # @shape defaults
  first:
    replicas: 3
# -- A list of such.
# @items defaults model
models: []
"""


def read(folder: Path, text: str) -> Value:
    file = folder / "values.yaml"
    file.write_text(textwrap.dedent(text))
    return read_values(file)


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"services": {"first": {"labels": {"any": "x"}}}}, []),
        ({"models": [{"name": "a", "id": "A", "replicas": 1}]}, []),
        ({"services": {"second": {}}}, ["services"]),
        ({"services": {"first": {"replica": 1}}}, ["services/first"]),
        ({"services": {"first": {"replicas": 0}}}, ["services/first/replicas"]),
        ({"defaults": {"labels": {"any": 1}}}, ["defaults/labels/any"]),
        ({"models": [{"id": "A", "replicas": 1}]}, ["models/0"]),
        ({"models": [{"name": "a", "id": "A", "replica": 1}]}, ["models/0"]),
    ],
)
def test_the_schema_is_closed_at_every_depth(
    tmp_path: Path, values: dict[str, Any], faults: list[str]
) -> None:
    validator = Draft202012Validator(schema_of(read(tmp_path, VALUES)))
    found = ["/".join(map(str, error.path)) for error in validator.iter_errors(values)]
    assert found == faults


def test_the_readme_tells_each_value_once(tmp_path: Path) -> None:
    tables = readme_of(read(tmp_path, VALUES)).partition("## Values")[2]
    assert [line for line in tables.splitlines() if line.startswith("| `")] == [
        "| `models` | `[]` | A list of such. |",
        "| `defaults.replicas` | `2` | How many. |",
        "| `defaults.labels` | `{}` | Anything \\| at all. |",
        '| `services.first` | `{"replicas": 3}` | The first. |',
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group:\n  # Not said what it is.\n  key: 1\n", r"values.yaml:3: group.key: `# --` is"),
        ("# -- Said.\n# @schema {no JSON}\nkey: 1\n", r"values.yaml:3: no JSON in the comment"),
        ("- a list\n", "must be a map"),
    ],
)
def test_what_is_left_unsaid_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValuesError, match=message):
        read(tmp_path, text)


def test_every_value_of_the_chart_is_valid_by_its_own_schema() -> None:
    chart = Path(__file__).parents[2] / "helm/headrace"
    root = read_values(chart / "values.yaml")
    assert [*Draft202012Validator(schema_of(root)).iter_errors(root.default)] == []
