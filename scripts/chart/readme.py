"""From the commented values to the chart's README.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.chart.values import Value, told_values

HEAD = Path(__file__).with_name("readme_head.md")
LONGEST_DEFAULT = 80
"""Characters of a default that a table shows; longer ones are in values.yaml."""


def readme_of(root: Value) -> str:
    """The whole text: what a reader needs first, then a table for each part of the values."""
    return "\n".join([HEAD.read_text().rstrip(), "", *_tables(root), ""])


def _tables(root: Value) -> Iterator[str]:
    alone = [child for child in root.children if not child.children]
    yield from _table("Names", "", alone)
    for group in root.children:
        if group.children:
            yield from _table(f"`{group.path[0]}`", group.section, list(told_values(group, root)))


def _table(title: str, section: str, values: list[Value]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    if section:
        yield section
        yield ""
    yield "| value | default | |"
    yield "|---|---|---|"
    for value in values:
        yield f"| `{value.name}` | {_code(value.default)} | {_escaped(value.text)} |"
    yield ""


def _code(default: Any) -> str:
    text = json.dumps(default, ensure_ascii=False)
    if len(text) > LONGEST_DEFAULT:
        return "see values.yaml"
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
