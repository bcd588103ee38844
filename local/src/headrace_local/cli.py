"""The command line: arguments in, exit codes out."""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from headrace_local import commands
from headrace_local.errors import LocalStackError
from headrace_local.settings_file import read_settings
from headrace_local.stack import StackOptions

app = typer.Typer(
    help="The whole of Headrace on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

State = Annotated[
    Path, typer.Option(help="State directory.", envvar="HEADRACE_LOCAL_STATE", file_okay=False)
]
Port = Annotated[int, typer.Option(help="HTTPS port; 0 takes any free one.", min=0, max=65535)]
Listen = Annotated[str, typer.Option(help="IP address to listen on.")]
Models = Annotated[
    Path | None,
    typer.Option(
        help="Folder of prepared models, to share one among several stacks.",
        envvar="HEADRACE_LOCAL_MODELS",
    ),
]
ModelSource = Annotated[
    str | None,
    typer.Option(help="Another model: a .gguf file, a wheel, or hf://OWNER/REPOSITORY/FILE.gguf."),
]
ModelId = Annotated[str, typer.Option(help="The model's public id.")]


class Registration(StrEnum):
    """Who may make an account, as auth's setting has it."""

    CLOSED = "closed"
    INVITATION = "invitation"
    OPEN = "open"


WhoRegisters = Annotated[
    Registration, typer.Option("--registration", help="Who may make an account.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="File of settings: lines HEADRACE_SERVICE_SETTING=VALUE."),
]
DEFAULTS = StackOptions()
PIPED_COLUMNS = 160
"""Wide enough that no address is folded where there is no terminal to ask."""


@app.command()
def up(
    state: State = DEFAULTS.state,
    port: Port = DEFAULTS.port,
    listen: Listen = DEFAULTS.listen,
    models: Models = None,
    model: ModelSource = None,
    model_id: ModelId = DEFAULTS.model_id,
    registration: WhoRegisters = Registration.INVITATION,
    settings_file: SettingsFile = None,
) -> None:
    """Start everything and run it until Ctrl-C."""
    with _clear_errors():
        settings = read_settings(settings_file) if settings_file else {}
        auth = {"registration": registration.value, **settings.get("auth", {})}
        settings = {**settings, "auth": auth}
        options = StackOptions(state, listen, port, models, model, model_id, settings=settings)
        commands.up(options, Console())


@app.command()
def demo(
    state: State = DEFAULTS.state,
    port: Port = DEFAULTS.port,
    listen: Listen = DEFAULTS.listen,
    models: Models = None,
) -> None:
    """Stream one answer over HTTPS, from a running stack or from one started for it."""
    with _clear_errors():
        commands.demo(StackOptions(state, listen, port, models), Console())


@app.command()
def down(state: State = DEFAULTS.state) -> None:
    """Stop a running stack."""
    with _clear_errors():
        commands.down(StackOptions(state).directory, Console())


@app.command()
def status(state: State = DEFAULTS.state) -> None:
    """Show all components; exit code 1 if not all are ready."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_COLUMNS
    if not commands.status(StackOptions(state).directory, console):
        raise typer.Exit(1)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A component, for example gateway.")],
    state: State = DEFAULTS.state,
    lines: Annotated[int, typer.Option(help="How many lines to begin with.", min=1)] = 200,
    follow: Annotated[bool, typer.Option(help="Go on as lines are appended.")] = False,
) -> None:
    """Show the log of one component."""
    directory = StackOptions(state).directory
    with _clear_errors(), contextlib.suppress(KeyboardInterrupt):
        commands.logs(directory, service, lines=lines, keep_following=follow)


@app.command()
def events(
    state: State = DEFAULTS.state,
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 10,
) -> None:
    """Show the newest audit events."""
    with _clear_errors():
        commands.events(StackOptions(state).directory, count=count)


@app.command()
def reset(
    state: State = DEFAULTS.state,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all data and secrets; keep the prepared model."""
    directory = StackOptions(state).directory
    question = f"Delete all data and secrets in {directory.root}?"
    with _clear_errors():
        commands.refuse_while_running(directory)
        if yes or typer.confirm(question):
            commands.reset(directory, Console())


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except LocalStackError as error:
        Console(stderr=True).print(Text(str(error), style="red"), soft_wrap=True)
        raise typer.Exit(1) from error
