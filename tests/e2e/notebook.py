"""A third-party application of people, built on Authlib, and the browser of the person at it."""

from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from tests.stack.consent import consent, open_form, parameters_of, send_form

from headrace_local.access import Access

REDIRECT = "https://notebook.example/callback"
SCOPE = "account:read models:read"
REGISTRATION: dict[str, Any] = {
    "name": "Notebook",
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token"],
    "scopes": SCOPE.split(),
}
Token = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notebook:
    """What the application does, and what the administrator answers when it asks."""

    app: AsyncOAuth2Client
    browser: httpx.AsyncClient
    metadata: dict[str, Any]
    access: Access

    def ask(self) -> tuple[str, str, str]:
        """The address that it sends people to, its state, and the verifier that it keeps."""
        verifier = generate_token(64)
        url, state = self.app.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier
        )
        return url, state, verifier

    async def answer(self, url: str, decision: str) -> str:
        """Where the person's decision (`allow` or `deny`) leads."""
        email, password = self.access.email, self.access.password
        return await consent(self.browser, url, email=email, password=password, decision=decision)

    async def answer_with(self, url: str, password: str) -> httpx.Response:
        """What somebody sees who allows it with this password."""
        form = await open_form(self.browser, url)
        email = self.access.email
        return await send_form(self.browser, form, "allow", email=email, password=password)

    async def get_allowed(self) -> Token:
        """The token of a person who allows it; calls of `app` carry it from now on."""
        url, state, verifier = self.ask()
        location = await self.answer(url, "allow")
        assert parameters_of(location)["iss"] == self.metadata["issuer"]
        token: Token = await self.app.fetch_token(
            self.metadata["token_endpoint"],
            authorization_response=location,
            code_verifier=verifier,
            state=state,
        )
        return token

    async def refresh(self, token: Token) -> Token:
        """A new token for the old one's refresh token; raises Authlib's OAuthError."""
        renewed: Token = await self.app.refresh_token(
            self.metadata["token_endpoint"], refresh_token=token["refresh_token"]
        )
        return renewed

    async def status_of(self, token: Token) -> int:
        """The status of a call with this token, whichever `app` carries."""
        headers = {"authorization": f"Bearer {token['access_token']}"}
        return (await self.browser.get("/v1/models", headers=headers)).status_code
