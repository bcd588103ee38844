"""What checks read objects with: selectors, quantities, durations, shares of pods, routes."""

import pytest
from tests.chart.checks.istio_values import is_duration, seconds
from tests.chart.checks.mesh_calls import routes_of
from tests.chart.checks.mesh_policy import methods_of
from tests.chart.checks.pod_security import quantity
from tests.chart.objects import Object, selects
from tests.stack.methods import methods


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "c": "3"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_chooses_as_kubernetes_does(selector: Object, chosen: bool) -> None:
    assert selects(selector, {"a": "1", "b": "2"}) is chosen


@pytest.mark.parametrize(
    ("text", "length"), [("1m30s", 90), ("1.5s", 1.5), ("250ms", 0.25), ("1h", 3600)]
)
def test_a_duration_is_as_long_as_it_says(text: str, length: float) -> None:
    assert is_duration(text)
    assert seconds(text) == length


@pytest.mark.parametrize(
    ("text", "amount"), [("500m", 0.5), ("1Gi", 2**30), ("2", 2), (3, 3), ("1.5k", 1500)]
)
def test_a_quantity_is_as_much_as_it_says(text: str | int, amount: float) -> None:
    assert quantity(text) == amount


def test_a_path_stands_for_methods_of_the_protos() -> None:
    assert "/headrace.cache.v1.CacheService/Lookup" in methods()
    assert methods_of("/headrace.cache.v1.CacheService/*") == {
        "/headrace.cache.v1.CacheService/Lookup",
        "/headrace.cache.v1.CacheService/Store",
    }
    assert methods_of("/headrace.cache.v1.CacheService/Look") == set()


def test_a_request_takes_the_first_route_that_holds_for_all() -> None:
    def route(name: str, **match: object) -> Object:
        return {"name": name, **({"match": [match]} if match else {})}

    cohort = route("cohort", headers={"x-headrace-cohort": {"exact": "canary"}})
    other = route("other", uri={"prefix": "/other/"})
    rest, hidden = route("rest"), route("hidden")
    service = {"spec": {"http": [cohort, other, rest, hidden]}}
    assert [each["name"] for each in routes_of(service, "/v1/models")] == ["cohort", "rest"]
    assert [each["name"] for each in routes_of(service, "/other/x")] == ["cohort", "other"]
