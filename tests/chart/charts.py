"""The chart as each of its values files renders it, once per run of the tests."""

from functools import cache
from typing import Any

from tests.chart.objects import Object
from tests.stack import helm

FILES = {path.name.removesuffix("-values.yaml"): path for path in helm.CI_VALUES}
NAMES = sorted(FILES)


@cache
def rendered(name: str) -> tuple[Object, ...]:
    """The objects of a values file; whoever changes them takes a copy (`planting.planted`)."""
    return tuple(helm.render([FILES[name]]))


@cache
def values_of(name: str) -> dict[str, Any]:
    """What templates see: the chart's own values, and the file's over them."""
    return helm.merged_values([helm.CHART / "values.yaml", FILES[name]])


@cache
def documents() -> str:
    """What an installer reads."""
    return "\n".join(
        path.read_text() for path in (helm.CHART / "values.yaml", helm.CHART / "README.md")
    )
