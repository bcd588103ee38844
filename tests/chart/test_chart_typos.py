"""No field of any rendered object can be misspelt, and no duration malformed, without a fault."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.charts import NAMES, rendered
from tests.chart.checks import istio_values, schemas
from tests.chart.objects import Object, Path, leaves

FREE = {
    # Maps whose keys somebody chooses; where they name something, other checks look for it.
    "annotations", "data", "default", "defaultRequest", "hard", "headers", "labels", "limits",
    "matchLabels", "nodeSelector", "portLevelMtls", "requests", "stringData",
}  # fmt: skip
SELECTORS = ("spec", "selector")
"""Of a Service and a Gateway a map of labels, of any other kind a LabelSelector."""
MALFORMED = ("5", "5 s", "5sec", "-1s", "0s", "1s1h", "s", "", 5)


def _fields(item: Object) -> Iterator[Path]:
    """The way to each field whose name the kind decides."""
    for path, _ in leaves(item):
        plain = item["kind"] in ("Service", "Gateway") and path[:2] == SELECTORS and len(path) > 2
        if path and isinstance(path[-1], str) and not plain and not FREE.intersection(path[:-1]):
            yield path


def _shape(path: Path) -> Path:
    return tuple("*" if isinstance(key, int) else key for key in path)


def _changed(item: Object, path: Path, change: Any) -> Object:
    result = copy.deepcopy(item)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    change(place, path[-1])
    return result


def _misspell(place: Any, key: str) -> None:
    place[f"{key}{key[-1]}"] = place.pop(key)


def _reported(item: Object) -> bool:
    checks = (*map(schemas.kubernetes_schemas, schemas.VERSIONS), schemas.custom_schemas)
    return any(check([item]) for check in (*checks, schemas.rate_limits))


@pytest.mark.parametrize("name", NAMES)
def test_every_misspelt_field_is_reported(name: str) -> None:
    seen = set()
    missed = []
    for item in rendered(name):
        for path in _fields(item):
            if path[0] in ("apiVersion", "kind") or (item["kind"], _shape(path)) in seen:
                continue
            seen.add((item["kind"], _shape(path)))
            if not _reported(_changed(item, path, _misspell)):
                missed.append((item["kind"], path))
    assert len(seen) > 100
    assert missed == []


@pytest.mark.parametrize("field", ["apiVersion", "kind"])
@pytest.mark.parametrize("name", NAMES)
def test_every_unknown_kind_is_reported(name: str, field: str) -> None:
    changed = [{**item, field: f"{item[field]}s"} for item in rendered(name)]
    assert [item for item in changed if not _reported(item)] == []


@pytest.mark.parametrize("value", MALFORMED)
def test_every_malformed_duration_of_the_mesh_is_reported(value: object) -> None:
    changed = [
        _changed(item, ("spec", *path), lambda place, key: place.update({key: value}))
        for item in rendered("ha")
        if istio_values.is_istio(item) and item["kind"] != "EnvoyFilter"
        for path, text in leaves(item["spec"])
        if path and isinstance(text, str) and istio_values.is_duration(text)
    ]
    assert len(changed) > 20
    assert [item for item in changed if not istio_values.durations_are_durations([item])] == []
