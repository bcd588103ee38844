"""Revocation, introspection and the metadata document."""

import pytest
from authlib.oauth2 import rfc8414, rfc9207

from headrace_auth.domain.principal import Scope
from headrace_auth.oauth.messages import OAuthRequest
from headrace_auth.oauth.metadata import Endpoints, server_metadata
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.directory import ACME, MEMBER
from headrace_auth.testing.oauth_flow import OAuthFlow, basic
from headrace_auth.testing.oauth_world import RIVAL, OAuthWorld


@pytest.fixture
def rival(server: OAuthServer) -> OAuthFlow:
    return OAuthFlow(server, client=RIVAL, credentials=basic(RIVAL.client_id))


async def test_an_access_token_can_be_revoked_alone(web: OAuthFlow) -> None:
    tokens = await web.tokens()
    response = await web.revoke(tokens["access_token"])
    assert (response.status, response.body) == (200, {})
    assert await web.introspect(tokens["access_token"]) == {"active": False}
    assert (await web.refresh(tokens["refresh_token"])).status == 200


async def test_a_refresh_token_takes_its_session_with_it(native: OAuthFlow, web: OAuthFlow) -> None:
    tokens = await native.tokens()
    assert (await native.revoke(tokens["refresh_token"])).status == 200
    assert await web.introspect(tokens["access_token"]) == {"active": False}
    assert (await native.refresh(tokens["refresh_token"])).body["error"] == "invalid_grant"


async def test_so_does_a_used_one(web: OAuthFlow) -> None:
    first = await web.tokens()
    second = (await web.refresh(first["refresh_token"])).body
    assert (await web.revoke(first["refresh_token"])).status == 200
    assert await web.introspect(second["access_token"]) == {"active": False}


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", None])
async def test_a_wrong_hint_changes_nothing(web: OAuthFlow, hint: str | None) -> None:
    tokens = await web.tokens()
    for name in ("access_token", "refresh_token"):
        assert (await web.revoke(tokens[name], token_type_hint=hint)).status == 200
        response = await web.server.introspect(
            web.request(token=tokens[name], token_type_hint=hint)
        )
        assert response.body == {"active": False}


async def test_revoking_what_is_no_token_is_fine_and_repeatable(web: OAuthFlow) -> None:
    token = (await web.tokens())["refresh_token"]
    for text in ("unknown", "' OR 1=1 --", token, token):
        assert (await web.revoke(text)).status == 200


async def test_a_client_revokes_only_its_own(
    web: OAuthFlow, native: OAuthFlow, rival: OAuthFlow
) -> None:
    tokens = await web.tokens()
    for thief in (native, rival):
        for name in ("access_token", "refresh_token"):
            response = await thief.revoke(tokens[name])
            assert (response.status, response.body["error"]) == (400, "invalid_grant")
            assert (await web.introspect(tokens[name]))["active"]


async def test_an_unauthenticated_client_revokes_nothing(
    web: OAuthFlow, server: OAuthServer
) -> None:
    token = (await web.tokens())["access_token"]
    for authorization in ("", basic("web", "wrong")):
        request = OAuthRequest(form=(("token", token),), authorization=authorization)
        assert (await server.revoke(request)).status == 401
        assert (await server.introspect(request)).status == 401
    assert (await web.introspect(token))["active"]


async def test_the_token_must_be_named(web: OAuthFlow) -> None:
    for call in (web.server.revoke, web.server.introspect):
        for request in (web.request(), web.request(token="")):
            response = await call(request)
            assert (response.status, response.body["error"]) == (400, "invalid_request")


async def test_introspection_tells_what_a_resource_needs(web: OAuthFlow, world: OAuthWorld) -> None:
    tokens = await web.tokens()
    response = await web.server.introspect(web.request(token=tokens["access_token"]))
    assert response.headers["Cache-Control"] == "no-store"
    now = int(world.clock.now().timestamp())
    about = dict(response.body)
    assert about.pop("jti")
    assert about == {
        "active": True,
        "scope": "llm:invoke models:read",
        "client_id": "web",
        "sub": MEMBER.user_id,
        "org": ACME,
        "iat": now,
        "exp": now + 1800,
        "token_type": "Bearer",
    }
    refresh = await web.introspect(tokens["refresh_token"])
    assert refresh["active"]
    assert "token_type" not in refresh


async def test_introspection_is_for_the_tokens_organisation(
    web: OAuthFlow, native: OAuthFlow, rival: OAuthFlow
) -> None:
    natives = (await native.tokens())["access_token"]
    assert (await web.introspect(natives))["client_id"] == "native"
    assert await rival.introspect(natives) == {"active": False}


async def test_introspection_is_not_for_public_clients(native: OAuthFlow) -> None:
    token = (await native.tokens())["access_token"]
    response = await native.server.introspect(native.request(token=token))
    assert (response.status, response.body["error"]) == (401, "invalid_client")


async def test_dead_tokens_all_look_the_same(web: OAuthFlow, world: OAuthWorld) -> None:
    tokens = await web.tokens()
    world.clock.advance(1800)
    for token in (tokens["access_token"], "unknown", "x.y.z"):
        assert await web.introspect(token) == {"active": False}


@pytest.mark.parametrize("issuer", ["https://headrace.test", "https://headrace.test/auth"])
def test_the_metadata_document_is_valid(issuer: str) -> None:
    document = server_metadata(issuer)
    metadata = rfc8414.AuthorizationServerMetadata(document)
    metadata.validate(metadata_classes=[rfc9207.AuthorizationServerMetadata])
    assert document["issuer"] == issuer
    assert document["token_endpoint"] == issuer + "/oauth2/token"
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert set(document["grant_types_supported"]) == {
        "authorization_code",
        "client_credentials",
        "refresh_token",
    }
    assert document["authorization_response_iss_parameter_supported"] is True


def test_metadata_follow_what_the_server_can_do() -> None:
    document = server_metadata(
        "https://headrace.test",
        scopes={Scope.MODELS_READ},
        endpoints=Endpoints(token="/api/v1/oauth2/token"),
    )
    assert document["scopes_supported"] == ["models:read"]
    assert document["token_endpoint"] == "https://headrace.test/api/v1/oauth2/token"
