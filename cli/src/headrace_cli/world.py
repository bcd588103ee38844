"""What commands need from outside: the network, the remembered login, what a person types."""

import os
import sys
from dataclasses import dataclass, field

import httpx
import typer

from headrace_cli.client import ApiClient
from headrace_cli.errors import UsageError
from headrace_cli.session import Session, SessionFile


@dataclass(frozen=True, slots=True)
class World:
    """Tests give their own network and file."""

    transport: httpx.BaseTransport | None = None
    file: SessionFile = field(default_factory=SessionFile)

    def client(self) -> ApiClient:
        """Of the remembered login. Raises NotLoggedInError."""
        return ApiClient(self.file.load(), self.transport, self.file)

    def stranger(self, session: Session) -> ApiClient:
        """Of nobody yet."""
        return ApiClient(session, self.transport)

    def secret(self, prompt: str, variable: str) -> str:
        """Never from the arguments, which every process may read: from the environment, the
        terminal without an echo, or a line of standard input. Raises UsageError for nothing."""
        value = os.environ.get(variable, "")
        if not value and sys.stdin.isatty():
            value = str(typer.prompt(prompt, hide_input=True, err=True))
        elif not value:
            value = sys.stdin.readline().rstrip("\r\n")
        if not value:
            raise UsageError(f"{prompt}: set {variable}, or give it on standard input.")
        return value
