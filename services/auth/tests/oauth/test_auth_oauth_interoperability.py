"""Authlib's own client, over HTTP as it speaks it, gets through the whole flow."""

import json
from collections.abc import Awaitable, Callable, Mapping

import httpx2
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from headrace_auth.oauth.errors import AuthorizationError
from headrace_auth.oauth.messages import OAuthRequest, OAuthResponse, parse_pairs
from headrace_auth.oauth.metadata import server_metadata
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.directory import ACME, MEMBER
from headrace_auth.testing.oauth_flow import parameters_of
from headrace_auth.testing.oauth_world import (
    NATIVE,
    SECRET,
    WEB,
    WEB_REDIRECT,
)

ISSUER = "https://headrace.test"
METADATA = server_metadata(ISSUER)
Endpoint = Callable[[OAuthRequest], Awaitable[OAuthResponse]]


def transport(server: OAuthServer) -> httpx2.MockTransport:
    """The HTTP routes, as thin as they can be."""
    endpoints: Mapping[str, Endpoint] = {
        METADATA["token_endpoint"]: server.token,
        METADATA["revocation_endpoint"]: server.revoke,
        METADATA["introspection_endpoint"]: server.introspect,
    }

    async def handle(request: httpx2.Request) -> httpx2.Response:
        assert request.method == "POST"
        assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")
        response = await endpoints[str(request.url.copy_with(query=None))](
            OAuthRequest(
                query=parse_pairs(request.url.query),
                form=parse_pairs(request.content),
                authorization=request.headers.get("authorization", ""),
            )
        )
        content = json.dumps(response.body).encode()
        return httpx2.Response(response.status, headers=dict(response.headers), content=content)

    return httpx2.MockTransport(handle)


async def browse(server: OAuthServer, url: str) -> str:
    """The person follows the link, says yes if asked, and ends at the URL that this returns."""
    assert url.startswith(METADATA["authorization_endpoint"] + "?")
    query = parse_pairs(url.partition("?")[2].encode())
    try:
        pending = await server.check_authorization(OAuthRequest(query=query))
    except AuthorizationError as error:
        return error.location
    return await server.approve(pending, user_id=MEMBER.user_id, organization_id=ACME)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_whole_flow(server: OAuthServer, method: str) -> None:
    native = method == "none"
    redirect_uri = "http://127.0.0.1:49152/callback" if native else WEB_REDIRECT
    verifier = generate_token(64)
    async with AsyncOAuth2Client(
        client_id=NATIVE.client_id if native else WEB.client_id,
        client_secret=None if native else SECRET,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope="llm:invoke models:read",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        transport=transport(server),
    ) as client:
        url, state = client.create_authorization_url(
            METADATA["authorization_endpoint"], code_verifier=verifier
        )
        location = await browse(server, url)
        assert parameters_of(location)["iss"] == ISSUER
        token = await client.fetch_token(
            METADATA["token_endpoint"],
            authorization_response=location,
            code_verifier=verifier,
            state=state,
        )
        assert (token["token_type"], token["scope"]) == ("Bearer", "llm:invoke models:read")
        renewed = await client.refresh_token(METADATA["token_endpoint"])
        assert renewed["refresh_token"] != token["refresh_token"]
        revoked = await client.revoke_token(
            METADATA["revocation_endpoint"], token=renewed["refresh_token"]
        )
        assert revoked.status_code == 200
        with pytest.raises(OAuthError) as caught:
            await client.refresh_token(
                METADATA["token_endpoint"], refresh_token=renewed["refresh_token"]
            )
        assert caught.value.error == "invalid_grant"


async def test_client_credentials_and_introspection(server: OAuthServer) -> None:
    async with AsyncOAuth2Client(
        client_id=WEB.client_id, client_secret=SECRET, transport=transport(server)
    ) as client:
        token = await client.fetch_token(
            METADATA["token_endpoint"], grant_type="client_credentials", scope="llm:invoke"
        )
        response = await client.introspect_token(
            METADATA["introspection_endpoint"], token=token["access_token"]
        )
        assert response.json()["scope"] == "llm:invoke"


async def test_the_client_understands_a_refusal(server: OAuthServer) -> None:
    async with AsyncOAuth2Client(
        client_id=WEB.client_id, client_secret="wrong", transport=transport(server)
    ) as client:
        with pytest.raises(OAuthError) as caught:
            await client.fetch_token(METADATA["token_endpoint"], grant_type="client_credentials")
        assert caught.value.error == "invalid_client"


async def test_a_client_without_pkce_gets_no_code(server: OAuthServer) -> None:
    async with AsyncOAuth2Client(
        client_id=WEB.client_id, client_secret=SECRET, redirect_uri=WEB_REDIRECT
    ) as client:
        url, state = client.create_authorization_url(METADATA["authorization_endpoint"])
    told = parameters_of(await browse(server, url))
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", state, ISSUER)
    assert "code" not in told
