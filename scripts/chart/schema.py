"""From the commented values to values.schema.json: closed everywhere but in maps that are free."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.chart.values import Value

Schema = dict[str, Any]

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def schema_of(root: Value) -> Schema:
    """The schema of the whole file; a group whose keys others take as well is a definition."""
    shapes = {name for value in _all(root) for name in (value.shape, value.items) if name}
    made = _Schemas(root, frozenset(shapes))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart headrace",
        **made.group(root),
        "$defs": {name: made.group(root.find(name)) for name in sorted(shapes)},
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
        described = {"description": text} if text else {}
        # A group may take a shape as it is, or have keys of its own besides, and be a shape itself.
        for name in (value.name, value.shape):
            if name in self.shapes and set(value.default) <= self._references(name).keys():
                return {**described, "$ref": f"#/$defs/{name}"}
        if value.children:
            return {**described, **self.group(value)}
        kind = TYPES.get(type(value.default), "object")
        schema = {**described, "type": kind, "default": value.default, **value.schema}
        return {**schema, "items": self._item(value)} if value.items else schema

    def _item(self, value: Value) -> Schema:
        """An item of a list: the shape that it takes, and keys of its own."""
        own = value.schema["items"]
        properties = {**own["properties"], **self._references(value.items)}
        return {"type": "object", "additionalProperties": False, **own, "properties": properties}

    def _references(self, shape: str) -> Schema:
        """The keys of a shape, and those that it takes itself."""
        found = self.root.find(shape)
        keys = {child.path[-1]: shape for child in found.children}
        keys |= {child.path[-1]: found.shape for child in self._taken(found)}
        return {key: {"$ref": f"#/$defs/{place}/properties/{key}"} for key, place in keys.items()}

    def _taken(self, value: Value) -> tuple[Value, ...]:
        return self.root.find(value.shape).children if value.shape else ()
