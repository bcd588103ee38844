"""`headrace login`, `logout`, `me`, `switch`, `bootstrap`: who the person at the terminal is."""

from pathlib import Path
from typing import Annotated, Any

import typer

from headrace_cli import output
from headrace_cli.commands import AsJson, DryRun
from headrace_cli.errors import ApiError, NotLoggedInError
from headrace_cli.guard import guarded
from headrace_cli.plans import Request, show_plan
from headrace_cli.session import Session, session_at
from headrace_cli.world import World

Url = Annotated[str, typer.Option("--url", envvar="HEADRACE_URL")]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca-file", envvar="HEADRACE_CA_FILE", exists=True, dir_okay=False),
]
Email = Annotated[str, typer.Option("--email", prompt=True, envvar="HEADRACE_EMAIL")]
DEFAULT_URL = "https://localhost:8443"


class AccountCommands:
    """Commands that keep, change or forget the login."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_to(self, app: typer.Typer) -> None:
        app.command("login")(guarded(self.log_in))
        app.command("logout")(guarded(self.log_out))
        app.command("me")(guarded(self.me))
        app.command("switch")(guarded(self.switch))
        app.command("bootstrap")(guarded(self.bootstrap))

    def log_in(
        self,
        email: Email,
        url: Url = DEFAULT_URL,
        ca_file: CaFile = None,
        organization: Annotated[str, typer.Option(help="The one joined first if absent.")] = "",
        *,
        dry_run: DryRun = False,
    ) -> None:
        """Log in and remember it; the password comes from a prompt, HEADRACE_PASSWORD or stdin."""
        session = session_at(url, ca_file)
        body: dict[str, Any] = {"email": email}
        if organization:
            body["organization_id"] = organization
        if dry_run:
            show_plan(_login({**body, "password": ""}), None, as_json=False)
            return
        body["password"] = self._world.secret("Password", "HEADRACE_PASSWORD")
        client = self._world.stranger(session)
        try:
            answer = _login(body).send(client)
        except ApiError as error:
            if error.code != "second_factor_required":
                raise
            code = self._world.secret("Code of the second factor", "HEADRACE_CODE")
            answer = _login({**body, "code": code}).send(client)
        self._save(session.with_tokens(answer))
        output.say(f"Logged in to {url} as {email}.")

    def log_out(
        self,
        everywhere: Annotated[bool, typer.Option("--everywhere", help="All sessions.")] = False,
        *,
        dry_run: DryRun = False,
    ) -> None:
        """End the session and forget the login."""
        request = Request("POST", "/api/v1/auth/logout")
        if everywhere:
            request = Request("DELETE", "/api/v1/auth/sessions")
        if dry_run:
            show_plan(request, None, as_json=False)
            return
        try:
            request.send(self._world.client())
        except NotLoggedInError:
            pass  # nothing to end at the server; what is left of a login here is forgotten below
        except ApiError as error:
            if error.status != UNAUTHORIZED:
                raise
        self._world.file.forget()
        output.say("Logged out.")

    def me(self, *, as_json: AsJson = False) -> None:
        """See who you are, and where."""
        me = self._world.client().call("GET", "/api/v1/auth/me")
        if as_json:
            output.show_json(me)
            return
        places = [{**each, "id": each["organization_id"]} for each in me.pop("organizations", [])]
        output.show(output.record_table(me))
        output.say("You are in these organizations:")
        output.show(output.list_table(places, ("id", "name", "role")))

    def switch(
        self,
        organization: Annotated[
            str, typer.Argument(help="Its id, as `me` shows it.", metavar="ORGANIZATION")
        ],
        *,
        dry_run: DryRun = False,
    ) -> None:
        """Go on in another organization that you are in."""
        request = Request("POST", "/api/v1/auth/switch", {"organization_id": organization})
        client = self._world.client()
        if dry_run:
            me = client.call("GET", "/api/v1/auth/me")
            show_plan(request, {"organization_id": me["organization_id"]}, as_json=False)
            return
        answer = request.send(client)
        self._save(self._world.file.load().with_tokens(answer))
        output.say(f"You are in {organization} now.")

    def bootstrap(
        self,
        email: Email,
        url: Url = DEFAULT_URL,
        ca_file: CaFile = None,
        organization: Annotated[str, typer.Option(help="Name of the organization.")] = "",
        *,
        dry_run: DryRun = False,
    ) -> None:
        """Make the first owner of an empty installation.

        The token (HEADRACE_BOOTSTRAP_TOKEN) and the new password (HEADRACE_PASSWORD) come from
        prompts, those variables, or two lines of standard input.
        """
        body: dict[str, Any] = {"email": email}
        if organization:
            body["organization_name"] = organization
        if dry_run:
            show_plan(_bootstrap({**body, "token": "", "password": ""}), None, as_json=False)
            return
        body["token"] = self._world.secret("Bootstrap token", "HEADRACE_BOOTSTRAP_TOKEN")
        body["password"] = self._world.secret("New password", "HEADRACE_PASSWORD")
        _bootstrap(body).send(self._world.stranger(session_at(url, ca_file)))
        output.say(f"{email} owns this installation. Go on with `headrace login`.")

    def _save(self, session: Session) -> None:
        with self._world.file.alone():
            self._world.file.save(session)


UNAUTHORIZED = 401


def _login(body: dict[str, Any]) -> Request:
    return Request("POST", "/api/v1/auth/login", body, secrets=("password",))


def _bootstrap(body: dict[str, Any]) -> Request:
    return Request("POST", "/api/v1/auth/bootstrap", body, secrets=("token", "password"))
