"""Authorization requests: who is told what, and that nothing reaches a place it should not."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.oauth_clients import GrantType
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.oauth.authorization import check_redirect, check_request
from headrace_auth.oauth.errors import AuthorizationError, ErrorCode, OAuthError
from headrace_auth.oauth.messages import OAuthRequest, read_parameters
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER, OUTSIDER, OWNER
from headrace_auth.testing.oauth_flow import (
    VERIFIER,
    OAuthFlow,
    authorization_request,
    parameters_of,
)
from headrace_auth.testing.oauth_world import (
    NATIVE,
    RIVAL,
    WEB,
    WEB_REDIRECT,
    OAuthWorld,
)
from headrace_common.errors import HeadraceError, Reason

ISSUER = "https://headrace.test"


async def test_a_valid_request_is_something_to_show(web: OAuthFlow) -> None:
    pending = await web.pending()
    assert (pending.client_name, pending.organization_id) == ("Web application", ACME)
    assert pending.scopes == {Scope.LLM_INVOKE, Scope.MODELS_READ}
    assert pending.redirect_uri == WEB_REDIRECT
    assert "state of the client" not in repr(pending)


async def test_without_scopes_the_clients_own_are_meant(web: OAuthFlow) -> None:
    assert (await web.pending(scope=None)).scopes == WEB.scopes


async def test_an_empty_parameter_is_no_parameter(web: OAuthFlow) -> None:
    pending = await web.pending(scope="", state="")
    assert (pending.scopes, pending.state) == (WEB.scopes, None)


async def test_unknown_parameters_are_ignored(web: OAuthFlow) -> None:
    assert await web.pending(login_hint="jürgen", nonce="1") == await web.pending()


async def test_scopes_beyond_the_clients_are_left_out(web: OAuthFlow) -> None:
    pending = await web.pending(scope="keys:write llm:invoke keys:read")
    assert pending.scopes == {Scope.LLM_INVOKE, Scope.KEYS_READ}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"client_id": None}, "client_id"),
        ({"client_id": "nobody"}, "client_id"),
        ({"client_id": "WEB"}, "client_id"),
        ({"client_id": "web\x00"}, "client_id"),
        ({"client_id": "headrace"}, "client_id"),
        ({"redirect_uri": None}, "redirect_uri"),
        ({"redirect_uri": "https://evil.example/callback"}, "redirect_uri"),
        ({"redirect_uri": "https://app.example/callback"}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT + "&x=1"}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT + "/"}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT + "#"}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT + "\r\nLocation: x"}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace("callback", "Callback")}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace("callback", "%63allback")}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace("callback", "x/../callback")}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace(".example", ".example:443")}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace(".example", ".example.evil")}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace("app.", "app.example@evil.")}, "redirect_uri"),
        ({"redirect_uri": WEB_REDIRECT.replace("https", "http")}, "redirect_uri"),
        ({"redirect_uri": "é"}, "redirect_uri"),
        ({"redirect_uri": RIVAL.redirect_uris[0]}, "redirect_uri"),
        ({"redirect_uri": NATIVE.redirect_uris[0]}, "redirect_uri"),
        ({"scope": "x" * 5000}, "query"),
    ],
)
async def test_the_person_is_told_and_nobody_redirected(
    web: OAuthFlow, change: dict[str, str | None], param: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        # Whatever else is wrong: these come first.
        await web.pending(**{"response_type": "token", **change})
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_a_doubled_client_or_address_is_for_the_person(
    server: OAuthServer, name: str
) -> None:
    query = authorization_request().query
    doubled = OAuthRequest(query=(*query, (name, dict(query)[name])))
    with pytest.raises(HeadraceError) as caught:
        await server.check_authorization(doubled)
    assert caught.value.param == name


async def test_a_revoked_client_is_for_the_person(web: OAuthFlow, world: OAuthWorld) -> None:
    await world.register(replace(WEB, revoked_at=world.clock.now()))
    with pytest.raises(HeadraceError) as caught:
        await web.pending()
    assert caught.value.param == "client_id"


async def test_too_many_parameters_are_for_the_person(server: OAuthServer) -> None:
    many = tuple((f"p{n}", "x") for n in range(51))
    with pytest.raises(HeadraceError) as caught:
        await server.check_authorization(OAuthRequest(query=many))
    assert caught.value.param == "query"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "é"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "root"}, "invalid_scope"),
        ({"scope": "llm:invoke  models:read"}, "invalid_scope"),
        ({"scope": ' llm:invoke"'}, "invalid_scope"),
        ({"scope": "LLM:INVOKE"}, "invalid_scope"),
        ({"scope": "keys:write"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": VERIFIER}, "invalid_request"),
        ({"code_challenge": "x" * 42 + "="}, "invalid_request"),
        ({"code_challenge": "x" * 43 + "\n"}, "invalid_request"),
    ],
)
async def test_the_client_is_told_with_state_and_issuer(
    web: OAuthFlow, change: dict[str, str | None], code: str
) -> None:
    with pytest.raises(AuthorizationError) as caught:
        await web.pending(**change)
    told = parameters_of(caught.value.location)
    assert caught.value.location.startswith("https://app.example/callback?tenant=1&")
    assert told.pop("error_description")
    assert told == {
        "tenant": "1",
        "error": code,
        "state": "state of the client",
        "iss": ISSUER,
    }


@pytest.mark.parametrize("name", ["response_type", "scope", "state", "code_challenge", "x"])
async def test_every_other_parameter_comes_once(server: OAuthServer, name: str) -> None:
    query = (*authorization_request(x="1").query, (name, ""))
    with pytest.raises(AuthorizationError) as caught:
        await server.check_authorization(OAuthRequest(query=query))
    told = parameters_of(caught.value.location)
    assert told["error"] == "invalid_request"
    # Of two states neither is echoed.
    assert told.get("state") == (None if name == "state" else "state of the client")


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: b=c", "ü", "\x00", "x" * 2049])
async def test_a_state_that_may_not_be_is_not_echoed(web: OAuthFlow, state: str) -> None:
    with pytest.raises(AuthorizationError) as caught:
        await web.pending(state=state)
    told = parameters_of(caught.value.location)
    assert told["error"] == "invalid_request"
    assert "state" not in told


async def test_a_state_comes_back_as_it_was(web: OAuthFlow) -> None:
    state = "a b&c=d#e%20f+g'<script>\"" + "x" * 2000
    pending = await web.pending(state=state)
    assert parameters_of(web.server.deny(pending).location)["state"] == state


async def test_a_client_without_the_grant_type_is_told(web: OAuthFlow, world: OAuthWorld) -> None:
    await world.register(replace(WEB, grant_types=frozenset({GrantType.CLIENT_CREDENTIALS})))
    with pytest.raises(AuthorizationError) as caught:
        await web.pending()
    assert caught.value.code is ErrorCode.UNAUTHORIZED_CLIENT


async def test_approval_sends_code_state_and_issuer(web: OAuthFlow) -> None:
    pending = await web.pending()
    location = await web.server.approve(pending, user_id=MEMBER.user_id, organization_id=ACME)
    told = parameters_of(location)
    assert opaque_secrets.parse(TokenPrefix.AUTHORIZATION_CODE, told.pop("code")) is not None
    assert told == {"tenant": "1", "state": "state of the client", "iss": ISSUER}
    assert urlsplit(location)[:3] == ("https", "app.example", "/callback")
    assert urlsplit(location).fragment == ""


async def test_a_native_app_gets_its_code_at_the_port_it_named(native: OAuthFlow) -> None:
    pending = await native.pending(redirect_uri="http://127.0.0.1:51004/callback")
    location = await native.server.approve(pending, user_id=MEMBER.user_id, organization_id=ACME)
    assert location.startswith("http://127.0.0.1:51004/callback?code=")


async def test_a_private_use_scheme_gets_its_code(native: OAuthFlow) -> None:
    pending = await native.pending(redirect_uri="com.example.app:/callback")
    location = await native.server.approve(pending, user_id=MEMBER.user_id, organization_id=ACME)
    assert location.startswith("com.example.app:/callback?code=")


async def test_denial_says_so_and_no_more(web: OAuthFlow) -> None:
    told = parameters_of(web.server.deny(await web.pending()).location)
    assert told["error"] == "access_denied"
    assert "code" not in told
    assert (told["state"], told["iss"]) == ("state of the client", ISSUER)


@pytest.mark.parametrize(
    ("user_id", "organization_id"),
    [
        (OUTSIDER.user_id, GLOBEX),
        (MEMBER.user_id, GLOBEX),
        (OUTSIDER.user_id, ACME),
        ("nobody", ACME),
    ],
)
async def test_only_a_member_of_the_clients_organisation_can_approve(
    web: OAuthFlow, user_id: str, organization_id: str
) -> None:
    pending = await web.pending()
    with pytest.raises(HeadraceError) as caught:
        await web.server.approve(pending, user_id=user_id, organization_id=organization_id)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_nobody_can_approve_more_than_they_may(web: OAuthFlow, world: OAuthWorld) -> None:
    await world.set_role(MEMBER.user_id, ACME, Role.AUDITOR)
    assert (await web.tokens(scope="llm:invoke keys:read"))["scope"] == "keys:read"
    pending = await web.pending(scope="llm:invoke")
    with pytest.raises(AuthorizationError) as caught:
        await web.server.approve(pending, user_id=MEMBER.user_id, organization_id=ACME)
    assert caught.value.code is ErrorCode.INVALID_SCOPE


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"redirect_uris": ("https://app.example/new",)}, "redirect_uri"),
        ({"revoked_at": WEB.created_at}, "client_id"),
    ],
)
async def test_what_changed_before_the_approval_counts(
    web: OAuthFlow, world: OAuthWorld, change: dict[str, Any], param: str
) -> None:
    pending = await web.pending()
    await world.register(replace(WEB, **change))
    with pytest.raises(HeadraceError) as caught:
        await web.server.approve(pending, user_id=OWNER.user_id, organization_id=ACME)
    assert caught.value.param == param


NAMES = st.sampled_from(
    ["client_id", "redirect_uri", "state", "scope", "response_type", "code_challenge", "other"]
)
VALUES = st.one_of(
    st.text(max_size=50), st.sampled_from([value for _, value in authorization_request().query])
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_whatever_comes_is_answered_and_never_sent_elsewhere(
    changes: list[tuple[str, str]],
) -> None:
    parameters = read_parameters((*authorization_request().query, *changes))
    try:
        client, redirect_uri = check_redirect(parameters, WEB)
        pending = check_request(parameters, client, redirect_uri)
    except (HeadraceError, OAuthError):
        return
    assert pending.redirect_uri in WEB.redirect_uris
    assert pending.scopes <= WEB.scopes
