"""From a code to tokens, and every way to get at somebody else's."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any, cast

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.domain.oauth_clients import GrantType
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.principal import Role
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER
from headrace_auth.testing.oauth_flow import VERIFIER, OAuthFlow, basic
from headrace_auth.testing.oauth_world import RIVAL, WEB, WEB_REDIRECT, OAuthWorld


async def test_a_code_gives_tokens(web: OAuthFlow) -> None:
    response = await web.exchange(await web.code())
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    body = dict(response.body)
    assert body.pop("access_token") != body.pop("refresh_token")
    assert body == {"token_type": "Bearer", "expires_in": 1800, "scope": "llm:invoke models:read"}


async def test_a_public_client_gets_tokens_by_its_proof_alone(native: OAuthFlow) -> None:
    redirect_uri = "http://127.0.0.1:51004/callback"
    code = await native.code(redirect_uri=redirect_uri)
    response = await native.exchange(code, redirect_uri=redirect_uri)
    assert (response.status, response.body["token_type"]) == (200, "Bearer")


async def test_the_tokens_are_the_users_at_the_client(web: OAuthFlow) -> None:
    about = await web.introspect((await web.tokens())["access_token"])
    assert (about["sub"], about["client_id"], about["org"]) == (MEMBER.user_id, "web", ACME)


async def test_without_the_grant_type_there_is_no_refresh_token(
    web: OAuthFlow, world: OAuthWorld
) -> None:
    code_only = frozenset({GrantType.AUTHORIZATION_CODE})
    await world.register(replace(WEB, grant_types=code_only, service_user_id=None))
    assert "refresh_token" not in await web.tokens()


async def test_codes_are_kept_only_as_digests(web: OAuthFlow, world: OAuthWorld) -> None:
    code = await web.code()
    kept = cast(MemoryStore, world.store).rows[AuthorizationCode]
    assert list(kept) == [(hashlib.sha256(code[:-6].encode()).digest(),)]
    assert code[:-6] not in repr(kept)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": "v" * 129}, "invalid_request"),
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": VERIFIER.upper()}, "invalid_grant"),
        # The challenge itself, as `plain` would have it.
        ({"code_verifier": "challenge"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": "https://app.example/other"}, "invalid_grant"),
        ({"redirect_uri": WEB_REDIRECT + "/"}, "invalid_grant"),
        ({"redirect_uri": WEB_REDIRECT.replace("callback", "CALLBACK")}, "invalid_grant"),
        ({"redirect_uri": WEB_REDIRECT.replace(".example", ".example:443")}, "invalid_grant"),
    ],
)
async def test_a_wrong_proof_or_address_spends_the_code(
    web: OAuthFlow, change: dict[str, str | None], error: str
) -> None:
    pending = await web.pending()
    if change.get("code_verifier") == "challenge":
        change = {"code_verifier": pending.code_challenge}
    code = await web.code()
    response = await web.exchange(code, **change)
    assert (response.status, response.body["error"]) == (400, error)
    again = await web.exchange(code)
    assert (again.status, again.body["error"]) == (400, "invalid_grant")


async def test_confidential_clients_need_a_proof_too(web: OAuthFlow) -> None:
    response = await web.exchange(await web.code(), code_verifier=None)
    assert response.body["error"] == "invalid_request"


async def test_a_native_app_must_come_back_with_the_port_it_had(native: OAuthFlow) -> None:
    code = await native.code(redirect_uri="http://127.0.0.1:51004/callback")
    response = await native.exchange(code, redirect_uri="http://127.0.0.1:51005/callback")
    assert response.body["error"] == "invalid_grant"


@pytest.mark.parametrize("seconds", [60, 3600])
async def test_a_code_lives_for_a_minute(web: OAuthFlow, world: OAuthWorld, seconds: float) -> None:
    early, late = await web.code(), await web.code()
    world.clock.advance(59.999)
    assert (await web.exchange(early)).status == 200
    world.clock.advance(seconds - 59.999)
    assert (await web.exchange(late)).body["error"] == "invalid_grant"


@pytest.mark.parametrize("code", ["", "unknown", "a\x00", "x" * 4096, "x" * 4097, "' OR 1=1 --"])
async def test_other_texts_are_no_codes(web: OAuthFlow, code: str) -> None:
    response = await web.exchange(code)
    assert response.status == 400
    assert response.body["error"] in {"invalid_grant", "invalid_request"}


async def test_another_client_cannot_use_a_code_and_spoils_it(
    web: OAuthFlow, native: OAuthFlow
) -> None:
    code = await web.code()
    stolen = await native.exchange(code, redirect_uri=WEB_REDIRECT)
    assert stolen.body["error"] == "invalid_grant"
    assert (await web.exchange(code)).body["error"] == "invalid_grant"


async def test_another_organisations_client_cannot_either(
    web: OAuthFlow, server: OAuthServer
) -> None:
    rival = OAuthFlow(server, client=RIVAL, credentials=basic(RIVAL.client_id))
    assert (await rival.exchange(await web.code())).body["error"] == "invalid_grant"


async def test_a_replay_ends_everything_that_the_code_gave(web: OAuthFlow) -> None:
    code = await web.code()
    first = (await web.exchange(code)).body
    renewed = (await web.refresh(first["refresh_token"])).body
    bystander = await web.tokens()
    replay = await web.exchange(code)
    assert (replay.status, replay.body["error"]) == (400, "invalid_grant")
    for token in (first["access_token"], renewed["access_token"], renewed["refresh_token"]):
        assert await web.introspect(token) == {"active": False}
    assert (await web.refresh(renewed["refresh_token"])).body["error"] == "invalid_grant"
    assert (await web.introspect(bystander["access_token"]))["active"]


async def test_a_replay_is_seen_after_the_code_expired(web: OAuthFlow, world: OAuthWorld) -> None:
    code = await web.code()
    token = (await web.exchange(code)).body["access_token"]
    world.clock.advance(61)
    assert (await web.exchange(code)).status == 400
    assert await web.introspect(token) == {"active": False}


async def test_a_thief_with_the_code_alone_ends_the_session_too(
    web: OAuthFlow, native: OAuthFlow
) -> None:
    code = await web.code()
    token = (await web.exchange(code)).body["access_token"]
    await native.exchange(code)
    assert await web.introspect(token) == {"active": False}


async def test_of_racing_exchanges_exactly_one_wins_and_its_tokens_die(web: OAuthFlow) -> None:
    for _ in range(10):
        code = await web.code()
        responses = await asyncio.gather(*(web.exchange(code) for _ in range(6)))
        assert sorted(response.status for response in responses) == [200] + 5 * [400]
        winner = next(response.body for response in responses if response.status == 200)
        for token in (winner["access_token"], winner["refresh_token"]):
            assert await web.introspect(token) == {"active": False}


async def test_who_left_or_shrank_meanwhile_gets_what_they_have_now(
    web: OAuthFlow, world: OAuthWorld
) -> None:
    shrunk, gone = await web.code(scope="keys:read llm:invoke"), await web.code()
    await world.set_role(MEMBER.user_id, ACME, Role.AUDITOR)
    assert (await web.exchange(shrunk)).body["scope"] == "keys:read"
    await world.set_role(MEMBER.user_id, ACME, None)
    assert (await web.exchange(gone)).body["error"] == "invalid_grant"


async def test_a_new_password_meanwhile_spoils_the_code(web: OAuthFlow, world: OAuthWorld) -> None:
    code = await web.code()
    await world.end_logins(MEMBER.user_id)
    assert (await web.exchange(code)).body["error"] == "invalid_grant"
    assert (await web.exchange(await web.code())).status == 200


async def test_a_client_revoked_meanwhile_gets_nothing(web: OAuthFlow, world: OAuthWorld) -> None:
    code = await web.code()
    await world.register(replace(WEB, revoked_at=world.clock.now()))
    response = await web.exchange(code)
    assert (response.status, response.body["error"]) == (401, "invalid_client")


async def test_a_client_that_lost_the_grant_type_is_told(web: OAuthFlow, world: OAuthWorld) -> None:
    code = await web.code()
    await world.register(replace(WEB, grant_types=frozenset({GrantType.CLIENT_CREDENTIALS})))
    response = await web.exchange(code)
    assert (response.status, response.body["error"]) == (400, "unauthorized_client")


async def test_a_member_of_two_organisations_acts_in_the_clients(server: OAuthServer) -> None:
    rival = OAuthFlow(
        server,
        client=RIVAL,
        redirect_uri=RIVAL.redirect_uris[0],
        organization_id=GLOBEX,
        credentials=basic(RIVAL.client_id),
    )
    tokens: dict[str, Any] = await rival.tokens()
    assert (await rival.introspect(tokens["access_token"]))["org"] == GLOBEX
