"""Makes calls of the native API and keeps what was asked and answered, for people to read."""

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from tests.security.world import World

from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts.tables import TABLES

ROUTES = {(route.method, route.path): route for routes in TABLES.values() for route in routes}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
HIDDEN = (
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), "eyJ..."),
    (re.compile(r"\b(hr[a-z]?_)[0-9A-Za-z]{17}_[0-9A-Za-z]{49}\b"), r"\1..."),
    (re.compile(r"\b(hr[a-z]_)[0-9A-Za-z]{49}\b"), r"\1..."),
    (re.compile(r"secret=[A-Z2-7]{32}"), "secret=..."),
    (re.compile(r"\b[A-Z2-7]{32}\b"), "JBSWY3DP..."),
    (re.compile(r"\b[A-Z2-7]{4}(-[A-Z2-7]{4}){3}\b"), "ABCD-EFGH-IJKL-MNOP"),
    (re.compile(r'"kid": "[\w-]{43}"'), '"kid": "VBf_4ZAx..."'),
    (re.compile(r"\b(nonce|state|code|code_challenge|authorization_id)=[^&\s\"]+"), r"\1=..."),
    (re.compile(r'"(x|y)": "[\w-]{43}"'), r'"\1": "..."'),
    (re.compile(r'"jti": "[0-9a-f]{32}"'), '"jti": "5f1c..."'),
    (re.compile(r"(Basic|Bearer) \S+"), r"\1 ..."),
    (re.compile(r'"next_page_token": "[^"]+"'), '"next_page_token": "WzE3..."'),
    (re.compile(r'"code": "[0-9]{6}"'), '"code": "123456"'),
)
SEVENTEEN = re.compile(
    r"(?<!\w)(?=[0-9A-Za-z]*[0-9])(?=[0-9A-Za-z]*[A-Za-z])[0-9A-Za-z]{17}(?!\w)", re.ASCII
)
"""Ids of keys and applications; the word has a digit and a letter."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One call as it was made."""

    route: AccountRoute
    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class Standard:
    """One call of the standards' endpoints, which are not in the tables, as it was made."""

    summary: str
    request: str
    answer: str


@dataclass(slots=True)
class Recorder:
    """Calls are made as whoever `token` stands for, or as nobody."""

    world: World
    provider: MemoryIdentityProvider
    shown: list[Shown] = field(default_factory=list)
    standard: list[Standard] = field(default_factory=list)
    bodies: dict[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)
    """Body and query that were sent, by method and path."""
    _names: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        **parameters: str,
    ) -> dict[str, Any]:
        """The answer, which must be a success; `path` is a route's, with its parameters' names."""
        target = path.replace(":path", "").format(**parameters)
        self.world.clock.advance(1)  # what is made later is newer, in every run
        headers = {"authorization": f"Bearer {token}"} if token else {}
        response = await self.world.client.request(
            method, target, headers=headers, json=body, params=query
        )
        assert response.status_code < 300, f"{method} {target}: {response.text}"
        asked = f"{method} {response.request.url.raw_path.decode()}"
        if token:
            asked += "\nAuthorization: Bearer ..."
        if body is not None:
            asked += f"\nContent-Type: application/json\n\n{_pretty(body)}"
        status = HTTPStatus(response.status_code)
        answer: dict[str, Any] = response.json()
        told = f"{status.value} {status.phrase}\n\n{_pretty(answer)}"
        route = ROUTES[method, path]
        self.bodies.setdefault((method, path), (body, query))
        self.shown.append(Shown(route, self._readable(asked), self._readable(told)))
        return answer

    def keep(self, summary: str, response: httpx.Response) -> httpx.Response:
        """Show a call of a standard's endpoint; the answer again."""
        request = response.request
        asked = f"{request.method} {request.url.raw_path.decode()}"
        for name in ("Authorization", "Content-Type"):
            if name in request.headers:
                asked += f"\n{name}: {request.headers[name]}"
        if request.content:
            asked += f"\n\n{request.content.decode()}"
        status = HTTPStatus(response.status_code)
        told = f"{status.value} {status.phrase}"
        for name in ("Location", "Cache-Control"):
            if name in response.headers:
                told += f"\n{name}: {response.headers[name]}"
        if response.headers.get("content-type", "").startswith("text/html"):
            told += "\n\n(a page for a person)"
        elif response.content:
            told += f"\n\n{_pretty(response.json())}"
        self.standard.append(Standard(summary, self._readable(asked), self._readable(told)))
        return response

    def _readable(self, text: str) -> str:
        """Without secrets, and the same in every run."""
        for pattern, replacement in HIDDEN:
            text = pattern.sub(replacement, text)
        text = UUID.sub(lambda found: self._name(found[0], "01900000-0000-7000-8000-{:012d}"), text)
        return SEVENTEEN.sub(lambda found: self._name(found[0], "4fQ0x7bTn2LsWp{:03d}"), text)

    def _name(self, random: str, form: str) -> str:
        return self._names.setdefault(random, form.format(len(self._names) + 1))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
