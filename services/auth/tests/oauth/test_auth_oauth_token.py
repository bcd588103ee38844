"""The token endpoint: who may call it, what it refuses, client credentials and refreshing."""

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace_auth.domain.oauth_clients import GrantType
from headrace_auth.domain.principal import Role
from headrace_auth.oauth.messages import OAuthRequest
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.directory import ACME, MEMBER, SERVICE
from headrace_auth.testing.oauth_flow import OAuthFlow, basic, pairs
from headrace_auth.testing.oauth_world import NATIVE, RIVAL, SECRET, WEB, OAuthWorld

SERVICE_GRANT = {"grant_type": "client_credentials"}


def raw_basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


async def test_both_ways_to_show_a_secret_work(server: OAuthServer) -> None:
    header = OAuthRequest(form=pairs(SERVICE_GRANT), authorization=basic(WEB.client_id))
    form = {**SERVICE_GRANT, "client_id": WEB.client_id, "client_secret": SECRET}
    for request in (header, OAuthRequest(form=pairs(form))):
        assert (await server.token(request)).status == 200


async def test_the_id_may_stand_beside_the_header(web: OAuthFlow) -> None:
    assert (await web.post(**SERVICE_GRANT, client_id=WEB.client_id)).status == 200


async def test_both_parts_of_the_header_are_form_encoded(server: OAuthServer) -> None:
    escaped = raw_basic(f"{'%77eb'}:{SECRET.replace('-', '%2D')}".encode())
    request = OAuthRequest(form=pairs(SERVICE_GRANT), authorization=escaped)
    assert (await server.token(request)).status == 200


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        ({}, ""),
        ({}, basic(WEB.client_id, "wrong")),
        ({}, basic(WEB.client_id, "")),
        ({}, basic("nobody")),
        ({}, basic("WEB")),
        ({}, basic(NATIVE.client_id)),
        ({}, "Bearer " + SECRET),
        ({}, "Basic"),
        ({}, "Basic !!!"),
        ({}, "Basic " + "A" * 5),
        ({}, raw_basic(b"\xff\xfe:\xfd")),
        ({}, raw_basic(b"web")),
        ({}, raw_basic(b"web%ff:" + SECRET.encode())),
        ({}, raw_basic(b"web\x00:" + SECRET.encode())),
        ({}, raw_basic(b":" + SECRET.encode())),
        ({"client_id": "web"}, ""),
        ({"client_id": "web", "client_secret": "wrong"}, ""),
        ({"client_id": "web", "client_secret": ""}, ""),
        ({"client_id": "nobody", "client_secret": SECRET}, ""),
        ({"client_id": "native", "client_secret": SECRET}, ""),
        ({"client_secret": SECRET}, ""),
    ],
)
async def test_whoever_is_not_who_they_say_gets_one_answer(
    server: OAuthServer, form: dict[str, str], authorization: str
) -> None:
    request = OAuthRequest(form=pairs({**SERVICE_GRANT, **form}), authorization=authorization)
    response = await server.token(request)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="headrace"'
    assert response.headers["Cache-Control"] == "no-store"
    assert response.body == {
        "error": "invalid_client",
        "error_description": "client authentication failed",
    }


@pytest.mark.parametrize(
    "form",
    [
        {"client_id": "web", "client_secret": SECRET},
        {"client_secret": SECRET},
        {"client_id": "rival"},
    ],
)
async def test_two_ways_at_once_are_refused(web: OAuthFlow, form: dict[str, str]) -> None:
    response = await web.post(**SERVICE_GRANT, **form)
    assert (response.status, response.body["error"]) == (400, "invalid_request")


async def test_a_revoked_client_is_unknown(web: OAuthFlow, world: OAuthWorld) -> None:
    refresh_token = (await web.tokens())["refresh_token"]
    await world.register(replace(WEB, revoked_at=world.clock.now()))
    for response in (
        await web.post(**SERVICE_GRANT),
        await web.refresh(refresh_token),
        await web.server.introspect(web.request(token=refresh_token)),
        await web.revoke(refresh_token),
    ):
        assert (response.status, response.body["error"]) == (401, "invalid_client")


async def test_a_confidential_client_needs_its_secret_whatever_else_it_has(
    web: OAuthFlow,
) -> None:
    code, refresh_token = await web.code(), (await web.tokens())["refresh_token"]
    without = replace(web, credentials="")
    for response in (
        await without.exchange(code, client_id="web"),
        await without.refresh(refresh_token, client_id="web"),
        await without.revoke(refresh_token, client_id="web"),
    ):
        assert (response.status, response.body["error"]) == (401, "invalid_client")
    # Nothing was used up by who could not say who they are.
    assert (await web.exchange(code)).status == 200
    assert (await web.refresh(refresh_token)).status == 200


async def test_a_public_client_cannot_show_a_secret(native: OAuthFlow) -> None:
    code = await native.code()
    response = await native.exchange(code, client_secret="x")
    assert (response.status, response.body["error"]) == (401, "invalid_client")
    assert (await native.exchange(code)).status == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "Client_Credentials"}, "unsupported_grant_type"),
        ({"grant_type": "é"}, "invalid_request"),
        ({"grant_type": 'x"\\'}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
        ({**SERVICE_GRANT, "scope": "root"}, "invalid_scope"),
        ({**SERVICE_GRANT, "scope": "a\tb"}, "invalid_request"),
        ({**SERVICE_GRANT, "scope": "x" * 4097}, "invalid_request"),
    ],
)
async def test_what_is_wrong_is_named_by_its_code(
    web: OAuthFlow, form: dict[str, str], error: str
) -> None:
    response = await web.post(**form)
    assert (response.status, response.body["error"]) == (400, error)
    assert response.body["error_description"]
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("name", ["grant_type", "client_id", "scope", "other"])
async def test_a_doubled_parameter_is_refused(web: OAuthFlow, name: str) -> None:
    request = web.request(**SERVICE_GRANT, client_id="web", scope="models:read", other="x")
    value = dict(request.form)[name]
    doubled = replace(request, form=(*request.form, (name, value)))
    for call in (web.server.token, web.server.revoke, web.server.introspect):
        response = await call(doubled)
        assert (response.status, response.body["error"]) == (400, "invalid_request")


async def test_parameters_in_the_uri_are_refused(server: OAuthServer) -> None:
    form = pairs({**SERVICE_GRANT, "client_id": "web", "client_secret": SECRET})
    for request in (OAuthRequest(query=form), OAuthRequest(query=(("x", "y"),), form=form)):
        for call in (server.token, server.revoke, server.introspect):
            assert (await call(request)).body["error"] == "invalid_request"


async def test_too_many_parameters_are_refused(web: OAuthFlow) -> None:
    response = await web.post(**SERVICE_GRANT, **{f"p{n}": "x" for n in range(50)})
    assert (response.status, response.body["error"]) == (400, "invalid_request")


async def test_client_credentials_give_the_service_accounts_rights(web: OAuthFlow) -> None:
    body = dict((await web.post(**SERVICE_GRANT)).body)
    about = await web.introspect(body.pop("access_token"))
    assert about["sub"] == SERVICE.user_id
    assert body == {"token_type": "Bearer", "expires_in": 1800, "scope": "llm:invoke models:read"}


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("llm:invoke", "llm:invoke"),
        ("llm:invoke keys:read", "llm:invoke"),
        ("llm:invoke keys:write", "llm:invoke"),
        ("keys:read", None),
        ("keys:write", None),
    ],
)
async def test_scopes_do_not_escalate(web: OAuthFlow, scope: str, granted: str | None) -> None:
    body = (await web.post(**SERVICE_GRANT, scope=scope)).body
    assert body.get("scope") == granted
    assert granted or body["error"] == "invalid_scope"


async def test_client_credentials_need_the_grant_type(server: OAuthServer) -> None:
    rival = OAuthFlow(server, client=RIVAL, credentials=basic(RIVAL.client_id))
    response = await rival.post(**SERVICE_GRANT)
    assert (response.status, response.body["error"]) == (400, "unauthorized_client")


async def test_client_credentials_are_not_for_public_clients(native: OAuthFlow) -> None:
    response = await native.post(**SERVICE_GRANT)
    assert (response.status, response.body["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER, None])
async def test_client_credentials_act_as_nothing_but_a_service(
    web: OAuthFlow, world: OAuthWorld, role: Role | None
) -> None:
    await world.set_role(SERVICE.user_id, ACME, role)
    assert (await web.post(**SERVICE_GRANT)).body["error"] == "invalid_grant"


async def test_refreshing_rotates(web: OAuthFlow, native: OAuthFlow) -> None:
    for flow in (web, native):
        first = await flow.tokens()
        second = dict((await flow.refresh(first["refresh_token"])).body)
        assert second["refresh_token"] != first["refresh_token"]
        assert second["scope"] == first["scope"] == "llm:invoke models:read"
        assert (await flow.refresh(second["refresh_token"])).status == 200


async def test_reuse_ends_the_session(web: OAuthFlow) -> None:
    first = await web.tokens()
    second = (await web.refresh(first["refresh_token"])).body
    reuse = await web.refresh(first["refresh_token"])
    assert (reuse.status, reuse.body["error"]) == (400, "invalid_grant")
    assert (await web.refresh(second["refresh_token"])).body["error"] == "invalid_grant"
    for token in (first["access_token"], second["access_token"]):
        assert await web.introspect(token) == {"active": False}


async def test_of_racing_refreshes_exactly_one_wins(web: OAuthFlow) -> None:
    token = (await web.tokens())["refresh_token"]
    responses = await asyncio.gather(*(web.refresh(token) for _ in range(6)))
    assert sorted(response.status for response in responses) == [200] + 5 * [400]
    winner = next(response.body for response in responses if response.status == 200)
    assert (await web.refresh(winner["refresh_token"])).body["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("scope", "answer"),
    [
        ("llm:invoke", "llm:invoke"),
        ("models:read llm:invoke", "llm:invoke models:read"),
        ("keys:read", "invalid_scope"),
        ("llm:invoke keys:read", "invalid_scope"),
        ("root", "invalid_scope"),
    ],
)
async def test_a_refresh_narrows_and_never_widens(web: OAuthFlow, scope: str, answer: str) -> None:
    response = await web.refresh((await web.tokens())["refresh_token"], scope=scope)
    assert response.body.get("scope", response.body.get("error")) == answer


async def test_a_refused_scope_leaves_the_refresh_token(web: OAuthFlow) -> None:
    token = (await web.tokens())["refresh_token"]
    for scope in ("keys:read", "root"):
        assert (await web.refresh(token, scope=scope)).body["error"] == "invalid_scope"
    assert (await web.refresh(token)).status == 200


async def test_a_role_that_shrank_shrinks_the_next_token(web: OAuthFlow, world: OAuthWorld) -> None:
    token = (await web.tokens())["refresh_token"]
    await world.set_role(MEMBER.user_id, ACME, Role.AUDITOR)
    assert (await web.refresh(token)).body["scope"] == "models:read"


async def test_another_client_cannot_refresh(
    web: OAuthFlow, native: OAuthFlow, server: OAuthServer
) -> None:
    token = (await web.tokens())["refresh_token"]
    rival = OAuthFlow(server, client=RIVAL, credentials=basic(RIVAL.client_id))
    for thief in (native, rival):
        assert (await thief.refresh(token)).body["error"] == "invalid_grant"
    assert (await web.refresh(token)).status == 200


async def test_refreshing_needs_the_grant_type(web: OAuthFlow, world: OAuthWorld) -> None:
    token = (await web.tokens())["refresh_token"]
    await world.register(replace(WEB, grant_types=frozenset({GrantType.AUTHORIZATION_CODE})))
    response = await web.refresh(token)
    assert (response.status, response.body["error"]) == (400, "unauthorized_client")


FIELDS = st.sampled_from(
    ["grant_type", "client_id", "client_secret", "code", "refresh_token", "scope", "token", "x"]
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([*GrantType, "web", "native", SECRET, "llm:invoke", "'", "\\", '"']),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.lists(st.tuples(FIELDS, TEXTS), max_size=8), header=TEXTS)
async def test_whatever_comes_gets_a_well_formed_answer(
    server: OAuthServer, form: list[tuple[str, str]], header: str
) -> None:
    request = OAuthRequest(form=tuple(form), authorization=header)
    for call in (server.token, server.revoke, server.introspect):
        response = await call(request)
        assert response.status in {200, 400, 401}
        described: Any = response.body.get("error_description", "")
        assert all(" " <= character <= "~" and character not in '"\\' for character in described)
