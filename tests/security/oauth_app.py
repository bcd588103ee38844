"""A third-party application, registered at a world, that walks the authorization code flow."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from tests.security.world import World
from tests.stack.consent import consent, parameters_of

from headrace_auth.testing.directory import ADMIN, MEMBER, PASSWORD

REDIRECT = "https://app.example/callback?tenant=1"
VERIFIER = "v" * 43
SCOPES = ["models:read", "account:read"]
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class App:
    """A registered application."""

    world: World
    client_id: str
    secret: str
    redirect_uri: str = REDIRECT

    def url(self, **changes: str | None) -> str:
        """Where it sends people; None leaves a parameter out."""
        good: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": "s",
            "code_challenge": create_s256_code_challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        pairs = {name: value for name, value in {**good, **changes}.items() if value is not None}
        return f"/oauth2/authorize?{urlencode(pairs)}"

    async def code(self, email: str = MEMBER.email, **changes: str | None) -> str:
        location = await consent(
            self.world.client, self.url(**changes), email=email, password=PASSWORD
        )
        return parameters_of(location)["code"]

    async def post(self, endpoint: str, **form: str) -> httpx.Response:
        return await self.world.client.post(
            f"/oauth2/{endpoint}", data=form, auth=(self.client_id, self.secret)
        )

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        good = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return await self.post("token", **{**good, **changes})

    async def tokens(self, email: str = MEMBER.email, **changes: str | None) -> dict[str, Any]:
        response = await self.exchange(await self.code(email, **changes))
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body


async def register(world: World, email: str = ADMIN.email, **changes: Any) -> App:
    wanted = {
        "name": "Notebook",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "scopes": SCOPES,
        **changes,
    }
    token = await world.token(email)
    made = await world.ask(token, "POST", "/api/v1/oauth-clients", json=wanted)
    assert made.status_code == 201, made.text
    redirects = wanted["redirect_uris"] or [""]
    return App(world, made.json()["id"], made.json()["secret"], redirects[0])
