"""From labelled Services to a route table."""

from typing import Any

import pytest

from headrace_gateway.adapters.service_labels import Refusal, route_table
from headrace_gateway.domain.routes import Endpoint, Target


def service(
    name: str, *, annotations: dict[str, str] | None = None, **changes: Any
) -> dict[str, Any]:
    labels = {"headrace.dev/model": "chat", **changes.pop("labels", {})}
    ports = [{"name": "metrics", "port": 9464}, {"name": "grpc", "port": 9000}]
    return {
        "metadata": {
            "name": name,
            "namespace": "llm",
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {"clusterIP": "10.0.0.1", "type": "ClusterIP", "ports": ports, **changes},
    }


def target(name: str, model: str = "chat", weight: int = 100, cohort: str = "") -> Target:
    return Target(Endpoint(f"{name}.llm.svc:9000", cohort), model, weight)


def test_a_model_has_its_services_with_their_weights_and_cohorts() -> None:
    canary = {"headrace.dev/weight": "5", "headrace.dev/cohort": "canary"}
    table, refusals = route_table([service("b", labels=canary), service("a")])
    assert table == {"chat": ((target("a"), target("b", weight=5, cohort="canary")),)}
    assert refusals == []


def test_a_service_answers_for_others_after_their_own() -> None:
    small = service(
        "small",
        labels={"headrace.dev/model": "small"},
        annotations={"headrace.dev/fallback-for": "chat, huge,small,"},
    )
    table, _ = route_table([small, service("a")])
    assert table == {
        "chat": ((target("a"),), (target("small", "small"),)),
        "huge": ((target("small", "small"),),),
        "small": ((target("small", "small"),),),
    }


def test_an_annotation_holds_ids_that_are_no_label() -> None:
    named = service("a", annotations={"headrace.dev/model": "org/chat"})
    assert route_table([named])[0] == {"org/chat": ((target("a", "org/chat"),),)}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"labels": {"headrace.dev/weight": "-1"}}, "label headrace.dev/weight: a whole number"),
        ({"labels": {"headrace.dev/weight": "1000001"}}, "label headrace.dev/weight: a whole"),
        ({"labels": {"headrace.dev/weight": "1.5"}}, "label headrace.dev/weight: a whole number"),
        ({"labels": {"headrace.dev/weight": "\u0665"}}, "label headrace.dev/weight: a whole"),
        ({"labels": {"headrace.dev/cohort": "a b"}}, "label headrace.dev/cohort: letters"),
        ({"labels": {"headrace.dev/model": ""}}, "label headrace.dev/model is missing"),
        (
            {"annotations": {"headrace.dev/model": "a" * 201}},
            "annotation headrace.dev/model: at most",
        ),
        ({"clusterIP": "None"}, "a target is a Service with an address of its own, never its pods"),
        ({"type": "ExternalName"}, "a target is a Service with an address of its own"),
        ({"ports": [{"name": "http", "port": 80}]}, "a port with the name grpc is missing"),
        ({"ports": None}, "a port with the name grpc is missing"),
        ({"ports": [{"name": "grpc"}]}, "is no Service as Kubernetes has them"),
        ({"ports": [9000]}, "is no Service as Kubernetes has them"),
        ({"labels": {"headrace.dev/weight": 5}}, "is no Service as Kubernetes has them"),
        ({"annotations": {"headrace.dev/fallback-for": 5}}, "is no Service as Kubernetes has"),
    ],
)
def test_a_service_that_breaks_a_rule_is_left_out_and_named(
    changes: dict[str, Any], rule: str
) -> None:
    table, [refusal] = route_table([service("good"), service("bad", **changes)])
    assert table == {"chat": ((target("good"),),)}
    assert refusal.name == "bad"
    assert refusal.rule.startswith(rule)


def test_a_refusal_says_whose_it_is() -> None:
    _, refusals = route_table([service("bad", ports=[])])
    assert refusals == [Refusal("bad", "a port with the name grpc is missing")]
