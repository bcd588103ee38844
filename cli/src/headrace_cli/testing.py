"""A Headrace that answers from a dictionary, and the command in front of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from headrace_cli.main import create_app
from headrace_cli.session import Session, SessionFile
from headrace_cli.world import World

Handler = Callable[[httpx.Request], httpx.Response]


def refusal(status: int, code: str, message: str, param: str | None = None) -> httpx.Response:
    """As the API's errors are."""
    error = {"message": message, "code": code, "param": param, "request_id": "r-1"}
    return httpx.Response(status, json={"error": error})


@dataclass
class Desk:
    """One person at one terminal."""

    path: Path
    answers: dict[str, Any] = field(default_factory=dict)
    """By method and path: JSON, a response or a function."""
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def file(self) -> SessionFile:
        return SessionFile(self.path)

    def logged_in(self) -> "Desk":
        self.file.save(Session("https://headrace.test", None, "old-access", "old-refresh"))
        return self

    def __call__(
        self, *arguments: str, code: int = 0, typed: str = "", **environment: str
    ) -> Result:
        app = create_app(World(httpx.MockTransport(self.answer), self.file))
        known = {"HEADRACE_EMAIL": "", "HEADRACE_PASSWORD": "", "COLUMNS": "80"}
        result = CliRunner().invoke(app, arguments, input=typed, env={**known, **environment})
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    def body(self, index: int = -1) -> Any:
        return json.loads(self.requests[index].content)

    def sent(self) -> list[str]:
        return [f"{each.method} {each.url.path}" for each in self.requests]

    def answer(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        if callable(answer):
            found: httpx.Response = answer(request)
            return found
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)
