"""Every object is of a known kind and has no field that its kind does not have."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from jsonschema_rs import Draft202012Validator, Registry
from tests.chart.objects import Object, Objects, leaves, of_kind, shown, title

OWN = Path(__file__).parents[1] / "schemas"
OWN_KINDS = MappingProxyType(
    {
        ("keda.sh/v1alpha1", "ScaledObject"): "scaled-object",
        ("monitoring.coreos.com/v1", "PodMonitor"): "pod-monitor",
        ("external-secrets.io/v1", "ExternalSecret"): "external-secret",
    }
)
ISTIO_KINDS = MappingProxyType(
    {
        ("networking.istio.io/v1", "DestinationRule"): "networking.v1",
        ("networking.istio.io/v1", "Gateway"): "networking.v1",
        ("networking.istio.io/v1", "ServiceEntry"): "networking.v1",
        ("networking.istio.io/v1", "Sidecar"): "networking.v1",
        ("networking.istio.io/v1", "VirtualService"): "networking.v1",
        ("networking.istio.io/v1alpha3", "EnvoyFilter"): "networking.v1alpha3",
        ("networking.istio.io/v1beta1", "ProxyConfig"): "networking.v1beta1",
        ("security.istio.io/v1", "AuthorizationPolicy"): "security.v1",
        ("security.istio.io/v1", "PeerAuthentication"): "security.v1",
        ("security.istio.io/v1", "RequestAuthentication"): "security.v1",
        ("telemetry.istio.io/v1", "Telemetry"): "telemetry.v1",
    }
)
"""With the module of `cloudcoil.models.istio` that has each, made of Istio's own definitions."""
VERSIONS = ("1.31", "1.34", "1.37")
"""Of Kubernetes: the oldest that the chart takes, the newest with schemas, and one between."""


def kubernetes_schemas(version: str) -> Callable[[Objects], list[str]]:
    """Objects of Kubernetes' own kinds against the strict schemas of a version."""

    def check(objects: Objects) -> list[str]:
        return [
            fault
            for item in objects
            if not _is_custom(item)
            for fault in _faults(item, _kubernetes(version, item["apiVersion"], item["kind"]))
        ]

    return check


def custom_schemas(objects: Objects) -> list[str]:
    """Objects of other kinds against Istio's definitions, made strict, or schemas of our own."""
    return [
        fault
        for item in objects
        if _is_custom(item)
        for fault in _faults(item, _custom(item["apiVersion"], item["kind"]))
    ]


def _is_custom(item: Object) -> bool:
    """By its API group: Kubernetes' own have no dot, or end with `.k8s.io`."""
    group = item["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def _faults(item: Object, validator: Draft202012Validator | None) -> Iterator[str]:
    if validator is None:
        yield f"{title(item)}: {item['apiVersion']} has no kind {item['kind']}"
        return
    for error in validator.iter_errors(item):
        yield f"{title(item)}: {shown(tuple(error.instance_path))}: {error.message}"


@cache
def _kubernetes(version: str, api_version: str, kind: str) -> Draft202012Validator | None:
    """The package leaves unknown kinds be, and reads everything again for each object."""
    group, _, number = api_version.rpartition("/")
    prefix = f"{group.partition('.')[0]}-" if group else ""
    file = _schemas(version) / f"{kind.lower()}-{prefix}{number}.json"
    if not file.is_file():
        return None
    return Draft202012Validator(json.loads(file.read_text()), registry=_definitions(version))


def _schemas(version: str) -> Traversable:
    return files("kubernetes_validate") / f"kubernetes-json-schema/v{version}.0-local-strict"


@cache
def _definitions(version: str) -> Registry:
    definitions = json.loads((_schemas(version) / "_definitions.json").read_text())
    return Registry([(definitions["$id"], definitions)])


@cache
def _custom(api_version: str, kind: str) -> Draft202012Validator | None:
    if name := OWN_KINDS.get((api_version, kind)):
        return own_schema(name)
    if module := ISTIO_KINDS.get((api_version, kind)):
        model = getattr(import_module(f"cloudcoil.models.istio.{module}"), kind)
        schema = strict(model.model_json_schema(by_alias=True))
        return Draft202012Validator(
            {**schema, "required": ["apiVersion", "kind", "metadata", "spec"]}
        )
    return None


@cache
def own_schema(name: str) -> Draft202012Validator:
    """One of `tests/chart/schemas`."""
    return Draft202012Validator({**_own(name), "$defs": {**_own(name)["$defs"], **_own("shared")}})


def _own(name: str) -> Any:
    return yaml.safe_load((OWN / f"{name}.yaml").read_text())


def strict(schema: Any) -> Any:
    """The schema that takes no further fields, at any depth, and no null for what is left out."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {key: strict(value) for key, value in schema.items() if key != "default"}
    kinds = [each for each in result.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) == 1:
        del result["anyOf"]
        result |= kinds[0]
    elif kinds:
        result["anyOf"] = kinds
    if isinstance(result.get("properties"), dict) and result.get("type") == "object":
        result["additionalProperties"] = False
    return result


def nothing_is_null(objects: Objects) -> list[str]:
    """A null is a template's slip: the API would take the field for left out, or for emptied."""
    return [
        f"{title(item)}: {shown(path)} is null"
        for item in objects
        for path, value in leaves(item)
        if value is None
    ]


def rate_limits(objects: Objects) -> list[str]:
    """What EnvoyFilters put into Envoy as it is."""
    return [
        f"{title(item)}: {shown((index, *error.instance_path))}: {error.message}"
        for item in of_kind(objects, "EnvoyFilter")
        for index, patch in enumerate(item["spec"]["configPatches"])
        for error in own_schema("envoy-patch").iter_errors(patch["patch"]["value"])
    ]
