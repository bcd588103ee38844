"""The command line: `headrace login`, `headrace logout`, `headrace keys create|list|revoke`."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace_cli.client import ApiClient, ApiError
from headrace_cli.session import NotLoggedInError, Session, SessionFile

PIPED_COLUMNS = 200


def run() -> None:
    """Entry point; turns known errors into one sentence and exit code 1."""
    try:
        create_app()()
    except (ApiError, NotLoggedInError) as error:
        message = str(error) or "You are not logged in. Run `headrace login` first."
        Console(stderr=True).print(message, style="red", markup=False, soft_wrap=True)
        sys.exit(1)


def create_app() -> typer.Typer:
    """All commands."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.command("login")(log_in)
    app.command("logout")(log_out)
    keys = typer.Typer(no_args_is_help=True)
    keys.command("create")(create_key)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys", help="Create, list and revoke API keys.")
    return app


def log_in(
    email: Annotated[str, typer.Option(prompt=True, envvar="HEADRACE_EMAIL")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, envvar="HEADRACE_PASSWORD")
    ],
    url: Annotated[str, typer.Option(envvar="HEADRACE_URL")] = "https://localhost:8443",
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar="HEADRACE_CA_FILE", exists=True, dir_okay=False, help="CA to trust."),
    ] = None,
) -> None:
    """Log in and remember it for the other commands."""
    ca = str(ca_file.resolve()) if ca_file else None
    token = ApiClient(Session(url, ca, "")).log_in(email, password)
    SessionFile().save(Session(url, ca, token))
    Console().print(f"Logged in to {url} as {email}.", highlight=False)


def log_out() -> None:
    """Forget the login."""
    SessionFile().forget()
    Console().print("Logged out.")


def create_key(
    name: str,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="May be given several times; llm:invoke and models:read if not given."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Public model id; may be given several times; all if not given."),
    ] = None,
    expires_at: Annotated[datetime | None, typer.Option(help="In your local time.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Make an API key; its secret is shown once, on standard output."""
    wanted: dict[str, Any] = {"name": name, "scopes": scope or [], "allowed_models": model or []}
    if expires_at is not None:
        wanted["expires_at"] = expires_at.astimezone().isoformat()
    if requests_per_minute is not None:
        wanted["requests_per_minute"] = requests_per_minute
    if tokens_per_minute is not None:
        wanted["tokens_per_minute"] = tokens_per_minute
    key = _client().create_key(wanted)
    sys.stdout.write(key["secret"] + "\n")
    sys.stdout.flush()
    note = f"Key {key['id']} ({key['name']}). Its secret above is not shown again."
    Console(stderr=True, highlight=False).print(note, markup=False)


def list_keys() -> None:
    """List the organisation's API keys, newest first."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_COLUMNS
    console.print(key_table(_client().list_keys()))


def revoke_key(key_id: str) -> None:
    """Revoke an API key for good."""
    key = _client().revoke_key(key_id)
    Console(highlight=False).print(f"Key {key['id']} ({key['name']}) is revoked.", markup=False)


def key_table(keys: list[dict[str, Any]]) -> Table:
    """All keys; ids are never shortened, for they are what one copies."""
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True, min_width=max((len(key["id"]) for key in keys), default=0))
    for heading in ("name", "scopes", "created", "state"):
        table.add_column(heading)
    for key in keys:
        scopes = " ".join(key["scopes"])
        table.add_row(key["id"], Text(key["name"]), scopes, key["created_at"][:10], _state(key))
    return table


def _client() -> ApiClient:
    return ApiClient(SessionFile().load())


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at'][:10]}"
    return f"expires {key['expires_at'][:10]}" if key["expires_at"] else "active"
