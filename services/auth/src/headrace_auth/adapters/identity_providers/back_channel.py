"""HTTP from this service to identity providers: bounded in time and size, no redirect followed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from authlib.oauth2.auth import ClientAuth, encode_client_secret_basic

from headrace_auth.adapters.identity_providers.bounded_transport import BoundedTransport
from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError
from headrace_auth.domain.federation import ProviderConfig
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.domain.refusals import identity_provider_unavailable, login_not_confirmed
from headrace_common.logs import get_logger

HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "headrace"}
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What reading hostile JSON raises."""

_VISIBLE = re.compile(r"[\x21-\x7e]+")


class BackChannel:
    """The connections to all providers; `timeout_seconds` is for one login step as a whole."""

    def __init__(self, *, timeout_seconds: float, maximum_connections: int) -> None:
        self._timeout_seconds = timeout_seconds
        limits = httpx2.Limits(max_connections=maximum_connections, keepalive_expiry=30)
        self._transport = BoundedTransport(
            httpx2.AsyncHTTPTransport(trust_env=False, limits=limits)
        )

    @asynccontextmanager
    async def conversation(self, config: ProviderConfig) -> AsyncIterator["Conversation"]:
        """One login step; what goes wrong in the block becomes one of IdentityProvider's errors.

        A provider that is silent or at fault is DEPENDENCY_UNAVAILABLE. One that refuses or cannot
        be believed is LOGIN_FAILED, and the log says why.
        """
        # A client remembers tokens and cookies, so that each step has its own; connections and TLS
        # settings are the transport's, which stays open.
        client = AsyncOAuth2Client(
            config.client_id,
            config.client_secret,
            scope=" ".join(config.scopes),
            code_challenge_method="S256",
            headers=HEADERS,
            timeout=httpx2.Timeout(self._timeout_seconds),
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield Conversation(client)
        except (httpx2.HTTPError, OSError) as error:  # TimeoutError is an OSError
            code = type(error).__name__
            get_logger().warning("identity_provider_unavailable", target=config.name, code=code)
            raise identity_provider_unavailable() from error
        except (UnbelievableError, httpx2.InvalidURL) as error:
            code = error.code if isinstance(error, UnbelievableError) else "invalid_url"
            get_logger().warning("identity_provider_disbelieved", target=config.name, code=code)
            raise login_not_confirmed() from error

    async def close(self) -> None:
        await self._transport.aclose()


class Conversation:
    """What one login step asks of a provider."""

    def __init__(self, client: AsyncOAuth2Client) -> None:
        self._client = client
        client.register_client_auth_method(("client_secret_basic", _client_secret_basic))
        client.register_compliance_hook("access_token_response", _check_token_status)

    def authorization_url(
        self, endpoint: str, *, redirect_uri: str, state: str, code_verifier: str, **more: str
    ) -> str:
        """The authorization request with PKCE (RFC 7636); `more` are further parameters."""
        s256_challenge(code_verifier)  # Authlib leaves PKCE out for an empty one
        url: str
        url, _ = self._client.create_authorization_url(
            endpoint, state=state, code_verifier=code_verifier, redirect_uri=redirect_uri, **more
        )
        return url

    async def fetch_token(
        self, endpoint: str, *, auth_method: str, redirect_uri: str, code: str, code_verifier: str
    ) -> dict[str, Any]:
        """The token endpoint's answer, in which there is a bearer `access_token`."""
        try:
            token: dict[str, Any] = await self._client.fetch_token(
                endpoint,
                grant_type="authorization_code",
                auth=self._client.client_auth(auth_method),
                redirect_uri=redirect_uri,
                code=code,
                code_verifier=code_verifier,
            )
        except OAuthError as error:
            raise UnbelievableError(error.error) from error
        except UNREADABLE as error:
            raise UnbelievableError("token_answer") from error
        kind, access_token = token.get("token_type"), token.get("access_token")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise UnbelievableError("token_type")
        if not isinstance(access_token, str) or not _VISIBLE.fullmatch(access_token):
            raise UnbelievableError("access_token")
        return token

    async def get_json(
        self, url: str, *, access_token: str | None = None, accept: str = "application/json"
    ) -> Any:
        """The JSON value at `url`; anything but a 200 is not believed."""
        headers = {"Accept": accept}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        response = await self._client.request("GET", url, withhold_token=True, headers=headers)
        _raise_if_faulty(response)
        if response.status_code != HTTPStatus.OK:
            raise UnbelievableError(f"http_{response.status_code}")
        try:
            return response.json()
        except UNREADABLE as error:
            raise UnbelievableError("not_json") from error


def _raise_if_faulty(response: httpx2.Response) -> None:
    if response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        response.raise_for_status()


def _check_token_status(response: httpx2.Response) -> httpx2.Response:
    # Authlib looks for an error in the body alone, as GitHub's are found; by RFC 6749, section 5.2,
    # a refusal is not a 200.
    _raise_if_faulty(response)
    if response.status_code == HTTPStatus.OK:
        return response
    try:
        code = response.json()["error"]
    except UNREADABLE:
        code = f"http_{response.status_code}"
    raise UnbelievableError(code)


def _client_secret_basic(
    client: ClientAuth, method: str, uri: str, headers: Any, body: Any
) -> tuple[str, Any, Any]:
    # RFC 6749, section 2.3.1: both are form-encoded first, which Authlib leaves out.
    encoded = ClientAuth(quote_plus(client.client_id), quote_plus(client.client_secret))
    encoded_request: tuple[str, Any, Any] = encode_client_secret_basic(
        encoded, method, uri, headers, body
    )
    return encoded_request
