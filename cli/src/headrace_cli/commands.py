"""How a row of a table of commands becomes a command."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from headrace_cli import output
from headrace_cli.client import ApiClient
from headrace_cli.errors import ApiError, UsageError
from headrace_cli.guard import guarded
from headrace_cli.plans import Request, show_plan
from headrace_cli.rows import Command
from headrace_cli.world import World

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
BAD_REQUEST, NOT_FOUND = 400, 404


def group(world: World, name: str, help_text: str, commands: Sequence[Command]) -> typer.Typer:
    """The commands `headrace <name> ...`."""
    app = typer.Typer(name=name, help=help_text, no_args_is_help=True)
    for command in commands:
        add(app, world, command)
    return app


def add(app: typer.Typer, world: World, command: Command) -> None:
    """One command more."""
    app.command(command.name, help=command.help)(guarded(_function(world, command)))


def _function(world: World, command: Command) -> Callable[..., None]:
    def run(*, as_json: bool, dry_run: bool = False, **typed: Any) -> None:
        request = _request(command, typed)
        client = world.client()
        if dry_run:
            show_plan(request, _present(command, client, request, typed), as_json=as_json)
        elif command.done:
            answer = _send(command, client, request, typed)
            output.show_result(answer, as_json=as_json, done=command.done)
        else:
            _read(command, client, request, as_json=as_json)

    parameters = [each.parameter() for each in command.inputs]
    switches = [("as_json", AsJson), *([("dry_run", DryRun)] if command.done else [])]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters += [
        inspect.Parameter(name, keyword, annotation=annotation, default=False)
        for name, annotation in switches
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _request(command: Command, typed: Mapping[str, Any]) -> Request:
    fields: dict[str, Any] = {}
    whole: dict[str, Any] | None = None
    for each in command.inputs:
        if f"{{{each.name}}}" in command.path or typed[each.name] in (None, [], False):
            continue
        if each.whole:
            whole = each.value(typed[each.name])
        else:
            fields[each.name] = each.value(typed[each.name])
    path = _at(command.path, typed)
    if command.method in ("GET", "DELETE"):
        return Request(command.method, path, query=fields)
    if command.method == "PATCH" and not fields:
        raise UsageError("Name at least one thing to change.")
    return Request(command.method, path, None if command.empty_body else whole or fields)


def _send(
    command: Command, client: ApiClient, request: Request, typed: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer; a refusal of what a file holds names the file, too."""
    try:
        return request.send(client)
    except ApiError as error:
        file = next((typed[each.name] for each in command.inputs if each.whole), None)
        if file is None or error.status != BAD_REQUEST:
            raise
        raise ApiError(f"{file}: {error}", error.status, error.code) from None


def _at(path: str, typed: Mapping[str, Any]) -> str:
    parts = [
        output.path_part(str(typed[part[1:-1]])) if part.startswith("{") else part
        for part in path.split("/")
    ]
    return "/".join(parts)


def _present(
    command: Command, client: ApiClient, request: Request, typed: Mapping[str, Any]
) -> dict[str, Any] | None:
    if not command.present:
        return None
    if not command.same:
        return _if_there(client, command.present)
    if "{" in command.present:
        return client.call("GET", _at(command.present, typed))
    path_id = next((value for name, value in typed.items() if f"{{{name}}}" in command.path), "")
    wanted = {"id": path_id, **request.query, **(request.body or {})}
    scope = {name: wanted[name] for name in ("organization_id",) if wanted.get(name)}
    for found in client.records(command.present, {**command.listed_by, **scope}):
        if _is_same(found, wanted, command.same):
            return found
    if command.method == "PUT":
        return None
    raise ApiError("There is no such thing now.")


def _if_there(client: ApiClient, path: str) -> dict[str, Any] | None:
    try:
        return client.call("GET", path)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return None


def _is_same(found: Mapping[str, Any], wanted: Mapping[str, Any], names: Sequence[str]) -> bool:
    # An organisation's own id may be left out; everything else absent means "none".
    compared = [name for name in names if name != "subject_id" or wanted.get(name)]
    return all((found.get(name) or "") == (wanted.get(name) or "") for name in compared)


def _read(command: Command, client: ApiClient, request: Request, *, as_json: bool) -> None:
    if not command.columns:
        answer = request.send(client)
        output.show_json(answer) if as_json else output.show(output.record_table(answer))
        return
    found = client.records(request.path, request.query)
    output.show_json(found) if as_json else output.show(output.list_table(found, command.columns))
