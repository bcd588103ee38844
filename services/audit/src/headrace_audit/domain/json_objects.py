"""Which texts are unambiguous JSON objects (RFC 8259) that PostgreSQL's `jsonb` can hold."""

import json
from decimal import Decimal, DecimalException
from typing import Any

MAXIMUM_BYTES = 16 * 1024
MAXIMUM_LEVELS = 32
MAXIMUM_DIGITS = 1000
"""On either side of a number's point; `numeric` holds 131,072 before and 16,383 behind it."""

NO_OBJECT = "must be a JSON object"
TOO_LONG = f"must be at most {MAXIMUM_BYTES:,} bytes"
TOO_DEEP = f"must be at most {MAXIMUM_LEVELS} levels deep"
TOO_MANY_DIGITS = f"must have at most {MAXIMUM_DIGITS:,} digits on either side of a number's point"
TWICE = "must not name a key twice"
BAD_STRING = "must contain neither NUL nor lone surrogates"


class _BrokenRuleError(Exception):
    """Its message is one of the rules."""


def broken_rule(text: str) -> str | None:
    """The rule that a text breaks, as in "must be a JSON object"; None if it keeps them all."""
    if len(text.encode(errors="replace")) > MAXIMUM_BYTES:
        return TOO_LONG
    try:
        _check(_parse(text), 0)
    except _BrokenRuleError as error:
        return str(error)
    except RecursionError:
        return TOO_DEEP
    return None


def _parse(text: str) -> dict[str, Any]:
    """The object; its numbers are checked and dropped on the way."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_check_number,
            parse_float=_check_number,
            parse_constant=_refuse,
        )
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _BrokenRuleError(NO_OBJECT)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _BrokenRuleError(TWICE)
    return found


def _refuse(_constant: str) -> None:
    """NaN and the infinities, which Python takes for JSON."""
    raise _BrokenRuleError(NO_OBJECT)


def _check_number(text: str) -> None:
    try:
        number = Decimal(text)
    except DecimalException as error:
        raise _BrokenRuleError(TOO_MANY_DIGITS) from error
    behind_point = -int(number.as_tuple().exponent)
    if number.adjusted() >= MAXIMUM_DIGITS or behind_point > MAXIMUM_DIGITS:
        raise _BrokenRuleError(TOO_MANY_DIGITS)


def _check(value: object, level: int) -> None:
    """`level` is the number of objects and arrays around the value."""
    if isinstance(value, str):
        _check_string(value)
    elif isinstance(value, dict | list):
        if level == MAXIMUM_LEVELS:
            raise _BrokenRuleError(TOO_DEEP)
        items = [*value, *value.values()] if isinstance(value, dict) else value
        for item in items:
            _check(item, level + 1)


def _check_string(text: str) -> None:
    # Escapes bring in what UTF-8 or PostgreSQL cannot hold.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _BrokenRuleError(BAD_STRING)
