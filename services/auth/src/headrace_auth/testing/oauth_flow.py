"""Plays browser and third-party application against an OAuthServer, to the letter or off it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.oauth.authorization import PendingAuthorization
from headrace_auth.oauth.messages import OAuthRequest, OAuthResponse, Pairs
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.directory import ACME, MEMBER
from headrace_auth.testing.oauth_world import SECRET, WEB, WEB_REDIRECT

VERIFIER = "v" * 64


def pairs(parameters: Mapping[str, str | None]) -> Pairs:
    """The parameters that are not None."""
    return tuple((name, value) for name, value in parameters.items() if value is not None)


def basic(client_id: str, secret: str = SECRET) -> str:
    """An Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def parameters_of(location: str) -> dict[str, str]:
    """What a redirect tells the client."""
    return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))


def authorization_request(**changes: str | None) -> OAuthRequest:
    """A good request of WEB, with changes; None takes a parameter out."""
    good: dict[str, str | None] = {
        "response_type": "code",
        "client_id": WEB.client_id,
        "redirect_uri": WEB_REDIRECT,
        "scope": "llm:invoke models:read",
        "state": "state of the client",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    return OAuthRequest(query=pairs({**good, **changes}))


@dataclass(frozen=True, slots=True)
class OAuthFlow:
    """One user at one client."""

    server: OAuthServer
    client: OAuthClient = WEB
    redirect_uri: str = WEB_REDIRECT
    user_id: str = MEMBER.user_id
    organization_id: str = ACME
    credentials: str = field(default=basic(WEB.client_id), repr=False)

    async def pending(self, **changes: str | None) -> PendingAuthorization:
        own = {"client_id": self.client.client_id, "redirect_uri": self.redirect_uri}
        return await self.server.check_authorization(authorization_request(**{**own, **changes}))

    async def code(self, **changes: str | None) -> str:
        location = await self.server.approve(
            await self.pending(**changes),
            user_id=self.user_id,
            organization_id=self.organization_id,
        )
        return parameters_of(location)["code"]

    async def exchange(self, code: str, **changes: str | None) -> OAuthResponse:
        good: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return await self.post(**{**good, **changes})

    async def tokens(self, **changes: str | None) -> dict[str, Any]:
        """The body of a successful exchange."""
        response = await self.exchange(await self.code(**changes))
        assert response.status == 200, response.body
        return dict(response.body)

    async def refresh(self, refresh_token: str, **changes: str | None) -> OAuthResponse:
        good = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.post(**{**good, **changes})

    async def post(self, **form: str | None) -> OAuthResponse:
        """A token request with the flow's credentials."""
        return await self.server.token(self.request(**form))

    async def introspect(self, token: str) -> dict[str, Any]:
        return dict((await self.server.introspect(self.request(token=token))).body)

    async def revoke(self, token: str, **form: str | None) -> OAuthResponse:
        return await self.server.revoke(self.request(token=token, **form))

    def request(self, **form: str | None) -> OAuthRequest:
        """A form with the flow's credentials; a public client's id goes into the form."""
        own = {"client_id": self.client.client_id} if self.client.is_public else {}
        return OAuthRequest(form=pairs({**own, **form}), authorization=self.credentials)
