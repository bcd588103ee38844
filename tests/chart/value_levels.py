"""The levels of the chart's values, as their schema tells them."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator
from tests.stack import helm

Level = tuple[str, ...]
"""The keys to a mapping; `*` is any item of a list, or any key of a mapping whose keys are free."""
SCHEMA: dict[str, Any] = json.loads((helm.CHART / "values.schema.json").read_text())


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(SCHEMA)


def levels(schema: dict[str, Any] = SCHEMA, level: Level = ()) -> Iterator[tuple[Level, bool]]:
    """Every mapping, and whether it takes none but known keys."""
    schema = _resolved(schema)
    if schema.get("type") == "array" and "items" in schema:
        yield from levels(schema["items"], (*level, "*"))
    if schema.get("type") != "object":
        return
    more = schema.get("additionalProperties", True)
    yield level, more is False or "enum" in schema.get("propertyNames", {})
    if isinstance(more, dict):
        yield from levels(more, (*level, "*"))
    for key, inner in schema.get("properties", {}).items():
        yield from levels(inner, (*level, key))


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = SCHEMA
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def values_with(level: Level, fields: dict[str, Any]) -> dict[str, Any]:
    """Values that say nothing but what is at one level."""
    result: Any = fields
    lists = {found for found, _ in levels() if "*" in found}
    for end in range(len(level), 0, -1):
        key = level[end - 1]
        is_item = key == "*" and level[:end] in lists and not _is_mapping(level[: end - 1])
        result = [result] if is_item else {"any" if key == "*" else key: result}
    found: dict[str, Any] = result
    return found


def _is_mapping(level: Level) -> bool:
    return any(found == level for found, _ in levels())


def refused(values: dict[str, Any], key: str) -> bool:
    """Whether the schema names the key in what it has against the values."""
    return any(f"'{key}'" in each.message or f'"{key}"' in each.message for each in _errors(values))


def _errors(values: dict[str, Any]) -> Iterator[Any]:
    return iter(validator().iter_errors(values))
