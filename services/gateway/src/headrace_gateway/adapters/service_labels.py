"""From the labels of Kubernetes Services to a route table; docs/routing.md has the list."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace_gateway.domain.completion import MODEL_CHARACTERS
from headrace_gateway.domain.routes import (
    COHORT,
    DEFAULT_WEIGHT,
    MAXIMUM_WEIGHT,
    Endpoint,
    RouteTable,
    Target,
)

MODEL = "headrace.dev/model"
"""Label, by which Services are chosen: the model's id. An annotation of that name replaces the
value, for ids that are no label's value, such as `org/model`."""
WEIGHT = "headrace.dev/weight"
"""Label: the share of the model's requests among the weights of all its Services."""
COHORT_LABEL = "headrace.dev/cohort"
"""Label: `stable`, `canary` or another name by which callers can ask for this one."""
FALLBACK_FOR = "headrace.dev/fallback-for"
"""Annotation: further models, separated by commas, that this one answers for if need be."""
PORT = "grpc"

Service = Mapping[str, Any]
"""A Service (core/v1) as JSON."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Service that cannot be a target, and the rule that it breaks."""

    name: str
    rule: str


def route_table(services: Iterable[Service]) -> tuple[RouteTable, list[Refusal]]:
    """Models with their Services, those that they fall back to last; and what was left out."""
    own: defaultdict[str, list[Target]] = defaultdict(list)
    fallbacks: defaultdict[str, list[Target]] = defaultdict(list)
    refusals = []
    for service in sorted(services, key=_name):
        try:
            target = _target(service)
            others = _annotations(service).get(FALLBACK_FOR, "").split(",")
        except ValueError as error:
            refusals.append(Refusal(_name(service), str(error)))
            continue
        except (LookupError, TypeError, AttributeError):
            refusals.append(Refusal(_name(service), "is no Service as Kubernetes has them"))
            continue
        own[target.model].append(target)
        for model in others:
            if model.strip() not in ("", target.model):
                fallbacks[model.strip()].append(target)
    table = {
        model: tuple(tuple(group[model]) for group in (own, fallbacks) if model in group)
        for model in (*own, *(model for model in fallbacks if model not in own))
    }
    return table, refusals


def _target(service: Service) -> Target:
    labels = service["metadata"].get("labels") or {}
    model = _annotations(service).get(MODEL) or labels.get(MODEL)
    if not model:
        raise ValueError(f"label {MODEL} is missing")
    if len(model) > MODEL_CHARACTERS:
        raise ValueError(f"annotation {MODEL}: at most {MODEL_CHARACTERS} characters")
    cohort = labels.get(COHORT_LABEL, "")
    if cohort and not COHORT.fullmatch(cohort):
        raise ValueError(f"label {COHORT_LABEL}: letters, digits, dots, dashes and underscores")
    return Target(Endpoint(_address(service), cohort), model, _weight(labels))


def _weight(labels: Mapping[str, str]) -> int:
    value = labels.get(WEIGHT, str(DEFAULT_WEIGHT))
    if not re.fullmatch(r"[0-9]{1,7}", value) or int(value) > MAXIMUM_WEIGHT:
        raise ValueError(f"label {WEIGHT}: a whole number from 0 to {MAXIMUM_WEIGHT}")
    return int(value)


def _address(service: Service) -> str:
    """The Service's name in the cluster's DNS, which a mesh knows too."""
    spec = service.get("spec") or {}
    if spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        raise ValueError("a target is a Service with an address of its own, never its pods")
    ports = [port["port"] for port in spec.get("ports") or () if port.get("name") == PORT]
    if not ports:
        raise ValueError(f"a port with the name {PORT} is missing")
    metadata = service["metadata"]
    return f"{metadata['name']}.{metadata['namespace']}.svc:{ports[0]}"


def _annotations(service: Service) -> Mapping[str, str]:
    return service["metadata"].get("annotations") or {}


def _name(service: Service) -> str:
    return str(service["metadata"]["name"])
