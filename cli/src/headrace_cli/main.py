"""The command line: `headrace login`, `headrace keys create`, and so on."""

import typer

from headrace_cli import key_commands, limit_commands, people_commands, platform_commands
from headrace_cli.account_commands import AccountCommands
from headrace_cli.commands import add, group
from headrace_cli.world import World


def run() -> None:
    """Entry point; exit codes: 0 done, 1 refused, 2 wrong usage, 3 unreachable."""
    create_app(World())()


def create_app(world: World) -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        help="Administer Headrace over its public API.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    AccountCommands(world).add_to(app)
    people, limits, platform = people_commands, limit_commands, platform_commands
    for name, about, commands in (
        ("keys", "API keys.", key_commands.COMMANDS),
        ("users", "Who belongs to the organization.", people.USER_COMMANDS),
        ("service-accounts", "Users that are programs.", people.SERVICE_ACCOUNT_COMMANDS),
        ("invitations", "Who was invited.", people.INVITATION_COMMANDS),
        ("teams", "Teams.", people.TEAM_COMMANDS),
        ("orgs", "Organizations.", people.ORG_COMMANDS),
        ("limits", "Rates and concurrency.", limits.LIMIT_COMMANDS),
        ("budgets", "What may be spent.", limits.BUDGET_COMMANDS),
        ("prices", "What models cost.", limits.PRICE_COMMANDS),
        ("oauth-clients", "Third-party applications.", platform.OAUTH_CLIENT_COMMANDS),
        ("signing-keys", "What signs access tokens.", platform.SIGNING_KEY_COMMANDS),
    ):
        app.add_typer(group(world, name, about, commands))
    add(app, world, people.ROLES)
    return app
