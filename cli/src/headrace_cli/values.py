"""What people type, as what the API takes; each raises ValueError with a rule for the reader."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MICROS = 1_000_000
NONE = "none"


def seconds(text: str) -> int:
    """Of a duration such as `90s`, `24h` or `7d`."""
    found = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if found is None:
        raise ValueError("must be a duration such as 90s, 15m, 24h or 7d")
    return int(found[1]) * UNITS[found[2]]


def moment(text: str) -> str:
    """A moment in UTC, from ISO 8601 with a time zone or from a duration from now."""
    try:
        if text[-1:] in UNITS:
            return _utc(datetime.now(UTC) + timedelta(seconds=seconds(text)))
        return _utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        rule = "must be a time such as 2027-01-01T00:00:00Z or a duration from now such as 30d"
        raise ValueError(rule) from None


def whole(text: str) -> int:
    """A whole number of at least 1."""
    if not re.fullmatch(r"\d{1,18}", text) or int(text) == 0:
        raise ValueError("must be a whole number of at least 1")
    return int(text)


def micros(text: str) -> int:
    """Millionths, from an amount such as `12.50`."""
    if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text):
        raise ValueError("must be an amount such as 250 or 12.50")
    return int(Decimal(text) * MICROS)


def budget(text: str) -> dict[str, Any]:
    """From `250 EUR month`, with a time zone as a fourth word if it is not UTC."""
    match text.split():
        case [amount, currency, period, *zone] if len(zone) <= 1:
            return {
                "amount_micros": micros(amount),
                "currency": currency.upper(),
                "period": period,
                "time_zone": zone[0] if zone else "UTC",
            }
    raise ValueError('must be an amount, a currency and a period, such as "250 EUR month"')


def json_file(text: str) -> dict[Any, Any]:
    """What a file of JSON says, all of which can be sent."""
    try:
        found = json.loads(Path(text).read_text(encoding="utf-8"))
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"must be JSON; {at}: {error.msg}") from None
    except UnicodeError:
        raise ValueError("must be JSON in UTF-8") from None
    except (ValueError, RecursionError) as error:  # what Python reads and JSON does not have
        raise ValueError(f"must be JSON: {error}") from None
    match found:
        case dict():
            return found
    raise ValueError("must hold a JSON object")


def price_table(text: str) -> dict[Any, Any]:
    """From a file that somebody wrote, or that `prices show --json` did."""
    table = json_file(text)
    if "version" not in table:
        return table
    return {name: table[name] for name in ("currency", "prices") if name in table}


def or_none(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """`parse`, except for the word `none`, which lifts what was set."""
    return lambda text: None if text == NONE else parse(text)


def each_or_none(texts: list[str]) -> list[str]:
    """All that were given; the one word `none` empties the list, which restricts nothing."""
    return [] if texts == [NONE] else texts


def _utc(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("must have a time zone")
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
