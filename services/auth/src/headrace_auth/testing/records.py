"""A record of any type with something in every field, its secrets recognisable wherever they go."""

from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from headrace_auth.domain.records import Record

R = TypeVar("R", bound=Record)
CANARY = "canary-of-a-secret"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def filled(record_type: type[R], text: str = "text") -> R:
    """Fields that are not shown hold CANARY."""
    hints = get_type_hints(record_type)
    values = {
        each.name: _value(hints[each.name], text if each.repr else CANARY)
        for each in fields(record_type)
    }
    return record_type(**values)


def _value(hint: Any, text: str) -> Any:
    arguments = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is UnionType:
        return _value(arguments[0], text)
    if get_origin(hint) in (frozenset, tuple):
        return get_origin(hint)([_value(arguments[0], text)])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    plain: dict[Any, Any] = {str: text, bytes: text.encode(), int: 1, bool: True, datetime: MOMENT}
    return plain.get(hint, {text: text})
