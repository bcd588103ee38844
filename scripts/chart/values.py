"""Reads values.yaml with what its comments say of each key."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class ValuesError(Exception):
    """A comment that cannot be understood, or one that is missing; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Value:
    """A key of values.yaml: one value, or a group of them.

    `text` is what follows `# --`, `section` what is written above it, for those who read the file.
    `schema` is JSON Schema from `# @schema`, `kind` names one that several have, from `# @type`.
    `shape` and `items` are the path of the value whose keys this one, or each of its items, takes
    as well, from `# @shape` and `# @items`; items of a `kind` have keys of their own besides.
    """

    path: tuple[str, ...]
    default: Any
    line: int
    text: str = ""
    section: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    shape: str = ""
    items: str = ""
    children: tuple["Value", ...] = ()

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def find(self, path: str) -> "Value":
        """The one at a dotted path below this one; raises KeyError."""
        found = self
        for key in path.split("."):
            found = {child.path[-1]: child for child in found.children}[key]
        return found


def read_values(file: Path) -> Value:
    """The whole file as one group. Raises ValuesError, also for a value that nothing is said of."""
    text = file.read_text()
    node = yaml.compose(text)
    if not isinstance(node, yaml.MappingNode):
        raise ValuesError(f"{file}: must be a map")
    root = Value((), yaml.safe_load(text), 0, children=_children((), node, text.splitlines()))
    for value in told_values(root, root):
        if not value.text:
            raise ValuesError(f"{file}:{value.line}: {value.name}: `# --` is missing above it")
    return root


def told_values(group: Value, root: Value) -> Iterator[Value]:
    """The values of a group that a reader must be told of, in the order of the file.

    Of a group that takes a shape that is the group itself, and what it has besides: the shape's own
    keys are told where the shape is.
    """
    known = {c.path[-1] for c in root.find(group.shape).children} if group.shape else set()
    if group.shape or not group.children:
        yield group
    for child in group.children:
        if child.path[-1] not in known:
            yield from told_values(child, root)


def _children(path: tuple[str, ...], node: yaml.Node, lines: Sequence[str]) -> tuple[Value, ...]:
    return tuple(_value((*path, key.value), key, value, lines) for key, value in node.value)


def _value(path: tuple[str, ...], key: yaml.Node, node: yaml.Node, lines: Sequence[str]) -> Value:
    line = key.start_mark.line
    said = _comment(lines, line)
    items, _, kind_of_items = said.get("items", "").partition(" ")
    kind = kind_of_items or said.get("type", "")
    try:
        schema = json.loads(said.get("schema", "{}"))
    except ValueError as error:
        raise ValuesError(f"values.yaml:{line + 1}: no JSON in the comment: {error}") from error
    # A map whose keys are free is one value, and no group of values.
    is_free = bool(kind) or "additionalProperties" in schema
    is_group = isinstance(node, yaml.MappingNode) and not is_free
    return Value(
        path,
        yaml.SafeLoader("").construct_document(node),
        line + 1,
        text=said["text"],
        section=said["section"],
        schema=schema,
        kind=kind,
        shape=said.get("shape", ""),
        items=items,
        children=_children(path, node, lines) if is_group else (),
    )


def _comment(lines: Sequence[str], line: int) -> dict[str, str]:
    """What is written right above a line, by what it is: section, text, schema, type ..."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    parts = {"section": "", "text": ""}
    current = "section"
    for written in lines[first:line]:
        content = written.lstrip().removeprefix("#").strip()
        if content.startswith("-- "):
            current, content = "text", content.removeprefix("-- ")
        elif content.startswith("@"):
            current, _, content = content.removeprefix("@").partition(" ")
        parts[current] = f"{parts.get(current, '')} {content}".strip()
    return parts
