"""Renders and lints the chart with Helm itself, in this process and without a cluster."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[2] / "helm/headrace"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
"""One file for each way to install that the chart is tested with."""

WARNING = 2
"""Severity of a finding of Helm's lint; below it is advice, such as to have an icon."""

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


class ChartError(Exception):
    """Helm refused to render; the text is its message, which names the value that is at fault."""


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key that is there twice is a fault, as the Kubernetes API takes it."""


def _unique(loader: UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ChartError(f"{node.start_mark}: twice: {', '.join(sorted(twice))}")
    return loader.construct_mapping(node, deep=True)


UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


class BlockDumper(yaml.SafeDumper):
    """Writes a text of several lines, such as a file in a ConfigMap, as it is read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


BlockDumper.add_representer(str, _text)


def render(
    values_files: Sequence[Path] = (),
    *,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - Helm's own word
    release: str = "headrace",
    namespace: str = "headrace",
    upgrade: bool = False,
    chart: Path = CHART,
) -> list[Object]:
    """The objects that `helm install` (or `upgrade`) would create, hooks included, in its order.

    `set` takes paths as Helm's `--set` does, with values of any JSON type; it wins over the files.
    """
    values = merged_values(values_files, set)
    files = render_files(values, release=release, namespace=namespace, upgrade=upgrade, chart=chart)
    return [found for name in sorted(files) for found in _objects(name, files[name])]


def render_files(
    values: Mapping[str, Any],
    *,
    release: str = "headrace",
    namespace: str = "headrace",
    upgrade: bool = False,
    chart: Path = CHART,
) -> dict[str, str]:
    """The text of each template, NOTES.txt included, by its path in the chart."""
    try:
        with helm_python.Chart.load(chart) as loaded:
            loaded.validate_schema(dict(values))
            texts = loaded.render(
                dict(values),
                name=release,
                namespace=namespace,
                is_install=not upgrade,
                is_upgrade=upgrade,
            )
    except helm_python.HelmError as error:
        raise ChartError(str(error)) from error
    return {name.removeprefix("headrace/"): text for name, text in texts.items()}


def lint(values_files: Sequence[Path], *, chart: Path = CHART) -> list[str]:
    """What `helm lint` warns of, or worse."""
    report = helm_python.lint(chart, merged_values(values_files))
    found = [message for message in report["messages"] if message["severity"] >= WARNING]
    return [*report["errors"], *(f"{message['path']}: {message['error']}" for message in found)]


def merged_values(
    values_files: Sequence[Path], overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the files say; a later file wins over earlier ones, and `overrides` over all."""
    merged: dict[str, Any] = {}
    for path in values_files:
        merged = _merge(merged, yaml.load(path.read_text(), UniqueKeyLoader) or {})
    for path_of_value, value in (overrides or {}).items():
        expression = f"{path_of_value}={json.dumps(value)}"
        merged = _merge(merged, helm_python.parse_set_json(expression))
    return merged


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merge(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return {**below, **above, **both}


def _objects(name: str, text: str) -> Iterator[Object]:
    if not name.endswith(".yaml"):
        return
    for document in yaml.load_all(text, UniqueKeyLoader):
        if document is None:
            continue
        if not isinstance(document, dict) or "kind" not in document:
            raise ChartError(f"{name}: what is no object: {document!r:.80}")
        yield document
