"""Reads an object field by field, and fails on every field that nobody asked for."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class UntranslatedError(Exception):
    """The object says something that has no effect on the Envoys here, so they would prove less
    than it promises."""


class Fields:
    """The fields of one object; who reads it takes each of them, and `end` fails on the rest."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise UntranslatedError(f"{path}: {value!r} is no object")
        self._left: dict[str, Any] = dict(value)
        self.path = path

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def names(self) -> list[str]:
        """Of the fields that are left, where a mapping has names of its own."""
        return list(self._left)

    def end(self) -> None:
        if self._left:
            names = ", ".join(sorted(self._left))
            raise UntranslatedError(f"{self.path}: nothing translates {names}")

    def take(self, name: str, default: Any = None) -> Any:
        return self._left.pop(name, default)

    def text(self, name: str, default: str = "") -> str:
        return str(self._typed(name, str, default))

    def needed(self, name: str) -> str:
        """A text that must be there."""
        if name not in self._left:
            raise UntranslatedError(f"{self.path}: there is no {name}")
        return self.text(name)

    def number(self, name: str, default: int | None = None) -> int | None:
        value = self._left.pop(name, default)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise UntranslatedError(f"{self.path}.{name}: {value!r} is no number")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        return bool(self._typed(name, bool, default))

    def texts(self, name: str) -> list[str]:
        values = list(self._typed(name, list, []))
        if not all(isinstance(value, str) for value in values):
            raise UntranslatedError(f"{self.path}.{name}: {values!r} are no texts")
        return values

    def labels(self, name: str) -> dict[str, str]:
        labels = dict(self._typed(name, dict, {}))
        if not all(isinstance(value, str) for value in labels.values()):
            raise UntranslatedError(f"{self.path}.{name}: {labels!r} are no labels")
        return labels

    def duration(self, name: str) -> str | None:
        """In Envoy's JSON form, `1.5s`, of Go's, `1s500ms`; None if it is not there."""
        if name not in self._left:
            return None
        return envoy_duration(self.text(name), f"{self.path}.{name}")

    def only(self, name: str, wanted: Any, why: str) -> None:
        """A field that may be left out or have this one value; with others it means what `why`
        says is not shown here."""
        value = self._left.pop(name, wanted)
        if value != wanted:
            raise UntranslatedError(f"{self.path}.{name}: {value!r} is not translated: {why}")

    @contextmanager
    def inner(self, name: str) -> Iterator["Fields"]:
        """The object in a field, read to its end by the end of the block; empty if it is absent."""
        with reading(self._left.pop(name, {}), f"{self.path}.{name}") as fields:
            yield fields

    def each(self, name: str) -> Iterator["Fields"]:
        """The objects of a list, each read to its end before the next one comes."""
        for number, value in enumerate(self._typed(name, list, [])):
            with reading(value, f"{self.path}.{name}[{number}]") as fields:
                yield fields

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        value = self._left.pop(name, default)
        if not isinstance(value, kind):
            raise UntranslatedError(f"{self.path}.{name}: {value!r} is no {kind.__name__}")
        return value


@contextmanager
def reading(value: object, path: str) -> Iterator[Fields]:
    """Read an object; the end of the block is the end of its fields."""
    fields = Fields(value, path)
    yield fields
    fields.end()


def envoy_duration(text: str, path: str) -> str:
    """Go's duration as protobuf's JSON has it."""
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UntranslatedError(f"{path}: {text!r} is no duration")
    return f"{_total(parts):.3f}s"


def _total(parts: Iterable[tuple[str, str]]) -> float:
    return sum(float(number) * SECONDS[unit] for number, unit in parts)
