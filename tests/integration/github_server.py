"""A stand-in for GitHub, written for these tests after GitHub's documentation, since no package
plays it: the authorize page, the token endpoint, `GET /user` and `GET /user/emails`.

As the real one, it answers a refused code with HTTP 200 and `error` in the body, wants the secret
in the form, knows PKCE (S256 only), and wants a User-Agent of everybody who asks its API.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.integration.loopback import Answer, Request, answering, json_answer

from headrace_auth.domain.pending_login import s256_challenge

AUTHORIZE, ACCESS_TOKEN = "/login/oauth/authorize", "/login/oauth/access_token"
USER, EMAILS = "/api/v3/user", "/api/v3/user/emails"
CLIENT_ID, CLIENT_SECRET = "Iv1.headrace", "canary-github-secret"


@dataclass
class GitHub:
    """`user` and `emails` are what its API says; `instead` replaces the answer at a path."""

    callback: str
    url: str = ""
    user: Any = None
    emails: Any = None
    instead: dict[str, Callable[[], Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.path in self.instead:
            return self.instead[request.path]()
        match request.path:
            case "/login/oauth/authorize":
                return self._authorize(request)
            case "/login/oauth/access_token":
                return self._access_token(request)
            case "/api/v3/user":
                return self._api(request, self.user)
            case "/api/v3/user/emails":
                return self._api(request, self.emails)
        return Answer(404)

    def _authorize(self, request: Request) -> Answer:
        query = request.query
        if query["client_id"] != CLIENT_ID or query["redirect_uri"] != self.callback:
            return Answer(404)
        if request.method == "GET":
            return Answer(200, b"<form method=post><button>Authorize</button></form>")
        code = f"code{next(self._numbers)}"
        self._codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return Answer(302, b"", {"Location": f"{self.callback}?{back}"})

    def _access_token(self, request: Request) -> Answer:
        form = request.form
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return json_answer({"error": "incorrect_client_credentials"})
        query = self._codes.pop(form["code"], None)
        if query is None or query["code_challenge"] != s256_challenge(form["code_verifier"]):
            return json_answer({"error": "bad_verification_code"})
        if form["redirect_uri"] != query["redirect_uri"]:
            return json_answer({"error": "redirect_uri_mismatch"})
        token = f"gho_{next(self._numbers)}"
        self._tokens.add(token)
        granted = {"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"}
        return json_answer(granted)

    def _api(self, request: Request, value: Any) -> Answer:
        if not request.headers.get("user-agent"):
            return Answer(403)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._tokens:
            return json_answer({"message": "Bad credentials"}, 401)
        return json_answer(value)


@contextmanager
def running_github(callback: str) -> Iterator[GitHub]:
    """A server with an app that has this callback URL."""
    github = GitHub(callback)
    with answering(github.answer) as url:
        github.url = url
        yield github
