"""What a record is: a frozen dataclass with a key, kept one row each.

Every record type names its key and what is unique in a class attribute `KIND`. A field with
`repr=False` is a secret or its digest: it is in no log line and no audit event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Kind:
    """How records of one type are told apart."""

    name: str
    """What one is called in events and errors, for example `api_key`."""
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    """Fields whose values no two records share; a None among them is not compared."""

    @property
    def chosen(self) -> str | None:
        """What people choose of what must be unique, such as a name: ids are made here."""
        return self.unique[-1][-1] if self.unique else None


class Record(Protocol):
    """A frozen dataclass with a `KIND`."""

    KIND: ClassVar[Kind]
    __dataclass_fields__: ClassVar[dict[str, Any]]


def key_of(record: Record) -> tuple[Any, ...]:
    """The values of the key's fields."""
    return tuple(getattr(record, name) for name in record.KIND.key)


def resource_of(record: Record) -> str:
    """The record's name in audit events, for example `membership:0190...:0190...`.

    A part of the key that is secret is left out.
    """
    public = {field.name for field in fields(record) if field.repr}
    parts = (getattr(record, name) for name in record.KIND.key if name in public)
    return ":".join((record.KIND.name, *(str(part) for part in parts)))


def shown(record: Record | None) -> Mapping[str, Any] | None:
    """The record as JSON values, without its secret fields."""
    if record is None:
        return None
    return {
        field.name: _json(getattr(record, field.name)) for field in fields(record) if field.repr
    }


def _json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(_json(item) for item in value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    return value
