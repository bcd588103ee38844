"""What a command shows: tables as wide as the terminal or JSON, and secrets once."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace_cli.errors import UsageError

PIPED_COLUMNS = 200
IDENTIFIERS = ("id", "kid")
LABELS = (*IDENTIFIERS, "name", "email")
SECRET_FIELDS = ("secret", "client_secret")
MICROS = 1_000_000


def path_part(text: str) -> str:
    """One segment of a path, whatever it has in it."""
    if text in ("", ".", ".."):
        raise UsageError("An id cannot be empty.")
    return quote(text, safe="")


def show_json(value: Any) -> None:
    """Machine-readable, whole, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show(table: Table) -> None:
    """On standard output, as wide as the terminal."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_COLUMNS
    console.print(table)


def say(text: str) -> None:
    """A remark, on standard error: standard output is for results."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


def show_result(answer: Mapping[str, Any], *, as_json: bool, done: str) -> None:
    """One thing after a change; a secret alone goes to standard output, so that it can be piped."""
    secrets = [answer[name] for name in SECRET_FIELDS if answer.get(name)]
    if as_json:
        show_json(answer)
    for secret in secrets if not as_json else ():
        sys.stdout.write(f"{secret}\n")
        sys.stdout.flush()
    label = " ".join(str(answer[name]) for name in LABELS if answer.get(name))
    if not as_json or secrets:
        say(f"{label}: {done}." if label else f"{done.capitalize()}.")
    if secrets:
        say("Its secret is not shown again: keep it now, where nobody else reads it.")


def record_table(record: Mapping[str, Any]) -> Table:
    """All fields of one thing."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(label_of(name), Text(text_of(name, value)))
    return table


def list_table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Some fields of many; ids are never shortened, for they are what one copies."""
    table = Table(box=None, pad_edge=False)
    rows = [[_cell(record, column) for column in columns] for record in records]
    for index, column in enumerate(columns):
        if column in IDENTIFIERS:
            width = max((len(row[index]) for row in rows), default=0)
            table.add_column(column, no_wrap=True, min_width=width)
        else:
            table.add_column(label_of(column).removesuffix("_at"), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def label_of(name: str) -> str:
    """A field's name for people, who are shown amounts whole (see `text_of`)."""
    return "amount" if name == "amount_micros" else name


def text_of(name: str, value: Any) -> str:
    """A field's value for people."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if name == "amount_micros":
            return f"{value / MICROS:.6f}".rstrip("0").rstrip(".")
        case dict():
            return " ".join(f"{label_of(key)}={text_of(key, item)}" for key, item in value.items())
        case list():
            separator = " " if all(isinstance(item, str) for item in value) else "\n"
            return separator.join(text_of(name, item) for item in value)
    return str(value)


def _cell(record: Mapping[str, Any], column: str) -> str:
    """Lists show days, and a state instead of the times that make it."""
    if column == "state":
        return _state(record)
    text = text_of(column, record.get(column))
    return text[:10] if column.endswith("_at") else text


def _state(record: Mapping[str, Any]) -> str:
    for field in ("revoked", "accepted", "disabled", "expires", "retires"):
        at = record.get(f"{field}_at")
        if at:
            return f"{field} {at[:10]}"
    return "active"
