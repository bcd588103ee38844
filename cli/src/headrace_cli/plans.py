"""What a change would do, for `--dry-run`: the request, and what it finds now."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from headrace_cli import output
from headrace_cli.client import ApiClient


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Fields of the body that nobody is shown."""

    def send(self, client: ApiClient) -> dict[str, Any]:
        return client.call(self.method, self.path, body=self.body, query=self.query)

    def shown_body(self) -> dict[str, Any] | None:
        if self.body is None:
            return None
        return {
            name: "(hidden)" if name in self.secrets else value for name, value in self.body.items()
        }


def show_plan(request: Request, now: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """Sends nothing; `now` is the present state of the thing, if it is there."""
    body = request.shown_body()
    changes = _changes(request, now)
    if as_json:
        plan = {"method": request.method, "path": request.path, "query": request.query}
        output.show_json({**plan, "body": body, "present": now, "changes": changes})
        return
    query = "".join(f" {name}={value}" for name, value in request.query.items())
    output.say(f"Nothing is sent. It would be: {request.method} {request.path}{query}")
    if body is not None:
        output.say(json.dumps(body, indent=2, ensure_ascii=False))
    if changes:
        output.show(_change_table(changes))
    elif now is not None:
        output.say("As it is now:")
        output.show(output.record_table(now))


def _change_table(changes: Mapping[str, tuple[Any, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("field", "now", "then"):
        table.add_column(heading, overflow="fold")
    for name, (before, after) in changes.items():
        cells = [output.text_of(name, before), output.text_of(name, after)]
        table.add_row(output.label_of(name), *map(Text, cells))
    return table


def _changes(request: Request, now: Mapping[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    """By field: what it finds, and what it would leave."""
    before, after = now or {}, request.shown_body() or {}
    return {
        name: (before.get(name), value)
        for name, value in after.items()
        if before.get(name) != value and (name in before or request.method in ("PATCH", "PUT"))
    }
