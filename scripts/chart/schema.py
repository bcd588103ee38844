"""From the commented values to values.schema.json: closed everywhere but in maps that are free."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.chart.values import Value

Schema = dict[str, Any]

TYPES = json.loads(Path(__file__).with_name("types.json").read_text())
"""Schemas that several values have, by the name that `# @type` calls them."""
JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def schema_of(root: Value) -> Schema:
    """The schema of the whole file; a group whose keys others take as well is a definition."""
    shapes = {name for value in _all(root) for name in (value.shape, value.items) if name}
    made = _Schemas(root, frozenset(shapes))
    definitions = {name: made.group(root.find(name)) for name in shapes}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart headrace",
        **made.group(root),
        "$defs": {**TYPES, **dict(sorted(definitions.items()))},
    }


def _all(value: Value) -> Iterator[Value]:
    yield value
    for child in value.children:
        yield from _all(child)


@dataclass(frozen=True, slots=True)
class _Schemas:
    root: Value
    shapes: frozenset[str]
    """Paths of groups that are definitions."""

    def group(self, group: Value) -> Schema:
        """A map with these keys and no others, and those of the shape that it takes."""
        taken = self._references(group.shape) if group.shape else {}
        own = {c.path[-1]: self._value(c) for c in group.children if c.path[-1] not in taken}
        return {"type": "object", "additionalProperties": False, "properties": {**taken, **own}}

    def _value(self, value: Value) -> Schema:
        text = value.text or value.section
        described: Schema = {"description": text} if text else {}
        # A group may take a shape as it is, or have keys of its own besides, and be a shape itself.
        for name in (value.name, value.shape):
            if name in self.shapes and set(value.default) <= self._references(name).keys():
                return {**described, "$ref": _reference(name)}
        if value.children:
            return {**described, **self.group(value)}
        described["default"] = value.default
        if value.items:
            return {**described, "type": "array", "items": self._item(value)}
        if value.kind:
            return {**described, "$ref": _reference(value.kind)}
        kind = JSON_TYPES.get(type(value.default), "object")
        return {**described, "type": kind, **value.schema}

    def _item(self, value: Value) -> Schema:
        """An item of a list: the shape that it takes, and keys of its own."""
        own = TYPES[value.kind]
        properties = {**own["properties"], **self._references(value.items)}
        return {**own, "additionalProperties": False, "properties": properties}

    def _references(self, shape: str) -> Schema:
        """The keys of a shape, and those that it takes itself."""
        found = self.root.find(shape)
        keys = {child.path[-1]: shape for child in found.children}
        keys |= {child.path[-1]: found.shape for child in self._taken(found)}
        return {key: {"$ref": _reference(place, key)} for key, place in keys.items()}

    def _taken(self, value: Value) -> tuple[Value, ...]:
        return self.root.find(value.shape).children if value.shape else ()


def _reference(name: str, key: str = "") -> str:
    return f"#/$defs/{name}/properties/{key}" if key else f"#/$defs/{name}"
