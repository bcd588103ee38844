"""A key or a value that is misspelt in an installer's values is refused, at each level."""

from typing import Any

import pytest
from tests.chart.charts import FILES, NAMES, values_of
from tests.chart.objects import leaves
from tests.chart.value_levels import Level, levels, refused, validator, values_with
from tests.stack import helm

CLOSED = sorted({level for level, closed in levels() if closed})
OPEN = {
    # What Kubernetes or a mesh has names for; they are checked where they end up.
    "affinity", "annotations", "default", "defaultRequest", "hard", "labels", "limits",
    "nodeSelector", "podAnnotations", "podLabels", "requests", "selector",
    # Names that the installer chooses.
    "podMetrics", "queries",
    # A service's settings; see `settings_exist`.
    "settings",
}  # fmt: skip
OPEN_ITEMS = {"extraEgress", "extraEnv", "extraVolumeMounts", "extraVolumes", "tolerations"}
"""Lists whose items are Kubernetes' own."""


@pytest.mark.parametrize("level", CLOSED, ids=".".join)
def test_an_unknown_key_is_refused(level: Level) -> None:
    assert refused(values_with(level, {"misspelt": "x"}), "misspelt")


def test_no_other_level_takes_any_key() -> None:
    found = {level for level, closed in levels() if not closed}
    unexpected = {
        level
        for level in found
        if level[-1] not in OPEN and not OPEN_ITEMS.intersection(level[-3:-1])
    }
    assert unexpected == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_key_that_a_values_file_uses_must_be_spelt_so(name: str) -> None:
    values = helm.merged_values([FILES[name]])
    assert validator().is_valid(values)
    closed = [
        path
        for path, _ in leaves(values)
        if path and isinstance(path[-1], str) and not _is_open(path[:-1])
    ]
    assert len(closed) > 1
    assert [path for path in closed if validator().is_valid(_misspelt(values, path))] == []


def _is_open(path: tuple[str | int, ...]) -> bool:
    return any(key in OPEN or key in OPEN_ITEMS for key in path)


def _misspelt(value: Any, path: tuple[str | int, ...]) -> Any:
    key, *rest = path
    if isinstance(value, list):
        return [_misspelt(v, tuple(rest)) if i == key else v for i, v in enumerate(value)]
    if rest:
        return {k: _misspelt(v, tuple(rest)) if k == key else v for k, v in value.items()}
    return {f"{k}{k[-1]}" if k == key else k: v for k, v in value.items()}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("image.pullPolicy", "Sometimes"),
        ("secrets.externalSecret.refreshInterval", "1 hour"),
        ("services.auth.autoscaling.mode", "vpa"),
        ("services.auth.disruption.maxUnavailable", "0%"),
        ("services.auth.callers", {"gateway": ["headrace.auth.v1.AuthService"]}),
        ("services.auth.callers", {"getaway": ["headrace.auth.v1.AuthService/*"]}),
        ("services.auth.circuitBreaking.interval", "5"),
        ("services.auth.settings", {"log_level": "INFO"}),
        ("services.oauth", {}),
        ("inference.models", [{"name": "a"}]),
        ("inference.defaults.engine", "ollama"),
        ("networkPolicy.databasePorts", ["5432"]),
    ],
)
def test_a_value_of_a_wrong_kind_is_refused(path: str, value: Any) -> None:
    assert not validator().is_valid(values_with(tuple(path.split(".")), value))


@pytest.mark.parametrize(
    "path",
    [
        "imagee",
        "secrets.existingSecrets",
        "services.auth.replica",
        "services.auth.autoscaling.keda.pollInterval",
        "inference.defaults.storage.class",
    ],
)
def test_helm_itself_refuses_it(path: str) -> None:
    with pytest.raises(helm.ChartError, match=path.rpartition(".")[2]):
        helm.render([FILES["default"]], set={path: "x"})


def test_the_charts_own_values_keep_its_schema() -> None:
    assert validator().is_valid(values_of("default"))
