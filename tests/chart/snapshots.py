"""Rendered objects as text that people compare: sorted, and without what differs each time."""

from pathlib import Path
from typing import Any

import yaml
from tests.chart.charts import rendered
from tests.chart.objects import Object, title
from tests.stack import helm

DEFAULT = "default"
FOLDER = Path(__file__).parent / "snapshots"
HEAD = "# What the chart makes of {file}; written by `make snapshots`.\n"


class _Dumper(helm.BlockDumper):
    """Lists are written below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def snapshot(name: str) -> str:
    """Of the objects of a values file, with the names alone of those that are as in `default`."""
    known = {} if name == DEFAULT else {title(item): item for item in _sorted(DEFAULT)}
    objects = _sorted(name)
    same = [title(item) for item in objects if known.get(title(item)) == item]
    other = [item for item in objects if title(item) not in same]
    head = HEAD.format(file=f"helm/headrace/ci/{name}-values.yaml")
    head += "".join(f"# As in {DEFAULT}.yaml: {each}\n" for each in same)
    return head + yaml.dump_all(other, Dumper=_Dumper, sort_keys=False, width=10_000)


def _sorted(name: str) -> list[Object]:
    return sorted(map(_masked, rendered(name)), key=title)


def _masked(item: Object) -> Object:
    """Without the secrets that Helm makes up for an evaluation, each time others."""
    if item["kind"] != "Secret":
        return item
    fields: dict[str, Any] = {
        part: dict.fromkeys(item[part], "made up")
        for part in ("data", "stringData")
        if part in item
    }
    return {**item, **fields}
