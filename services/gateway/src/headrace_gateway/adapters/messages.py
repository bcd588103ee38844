"""Proto messages as plain values: dicts, lists, text, numbers, datetimes, lower-case enum names."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headrace_common.errors import HeadraceError, Reason


def fill(message: Message, fields: Mapping[str, Any]) -> None:
    """Set fields by name; None leaves one unset.

    Raises INVALID_FIELD for an enum name that is none, and KeyError for a field that is none.
    """
    for name, value in fields.items():
        if value is None:
            continue
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, name).update(value)
        elif field.is_repeated and field.message_type is not None:
            for item in value:
                _fill_message(getattr(message, name).add(), item)
        elif field.is_repeated:
            getattr(message, name).extend(_scalar(field, item) for item in value)
        elif field.message_type is not None:
            _fill_message(getattr(message, name), value)
        else:
            setattr(message, name, _scalar(field, value))


def plain(message: Message) -> dict[str, Any]:
    """All fields by name; an absent message or optional field is None."""
    return {field.name: _plain_field(message, field) for field in message.DESCRIPTOR.fields}


def _fill_message(message: Message, value: Any) -> None:
    if isinstance(message, Timestamp):
        message.FromDatetime(value)
    else:
        message.SetInParent()
        fill(message, value)


def _scalar(field: Any, value: Any) -> Any:
    if field.enum_type is None:
        return value
    number = field.enum_type.values_by_name.get(_prefix(field.enum_type) + str(value).upper())
    if number is None or not number.number:
        known = ", ".join(_names(field.enum_type))
        raise HeadraceError(
            Reason.INVALID_FIELD, f"{field.name}: must be one of {known}", param=field.name
        )
    return number.number


def _plain_field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_plain_value(field, item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _plain_value(field, value)


def _plain_value(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        moment: datetime = value.ToDatetime(tzinfo=UTC)
        return moment
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        member = field.enum_type.values_by_number.get(value)
        name = str(member.name) if member else "unknown"  # of a newer release
        return name.removeprefix(_prefix(field.enum_type)).lower()
    return value


def _names(enum: Any) -> list[str]:
    prefix = _prefix(enum)
    return [value.name.removeprefix(prefix).lower() for value in enum.values if value.number]


def _prefix(enum: Any) -> str:
    """`LIMIT_KIND_` of `LimitKind`, as buf lint wants it."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in enum.name)
    return f"{words.lstrip('_').upper()}_"
