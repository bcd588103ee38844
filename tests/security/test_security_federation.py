"""Attacks on logins through identity providers, over HTTP to a real gateway before a real auth."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.security.world import World, running_world

from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.testing.directory import MEMBER, OUTSIDER, PASSWORD
from headrace_auth.testing.federation import (
    ADA,
    FRONT_END,
    OTHER_PROVIDER,
    PROVIDER,
    VERIFIER,
    federation_of,
)
from headrace_common.testing.clock import FakeClock

BEGIN = {"redirect_uri": FRONT_END, "code_challenge": s256_challenge(VERIFIER)}
ATTACKERS_VERIFIER = "a" * 43
HOSTILE = {
    "host": "evil.test",
    "x-forwarded-host": "evil.test",
    "x-forwarded-proto": "http",
    "x-forwarded-for": "127.0.0.1",
    "forwarded": "host=evil.test;proto=http",
    "x-original-url": "https://evil.test/",
    "x-rewrite-url": "https://evil.test/",
    "referer": "https://evil.test/",
    "origin": "https://evil.test",
}


@pytest.fixture
def provider() -> MemoryIdentityProvider:
    return MemoryIdentityProvider()


@pytest.fixture
async def world(provider: MemoryIdentityProvider, tmp_path: Any) -> AsyncIterator[World]:
    federation = federation_of(provider, MemoryIdentityProvider(), FakeClock())
    async with running_world(
        federation=federation,
        federation_redirect_uris=(FRONT_END,),
        registration="open",
        mail_folder=tmp_path,
    ) as running:
        yield running


async def _begin(world: World, **query: str) -> httpx.Response:
    return await world.client.get(f"/oauth2/{PROVIDER}/login", params={**BEGIN, **query})


async def _back(world: World, provider: MemoryIdentityProvider, url: str) -> httpx.Response:
    """The person agrees, and the browser comes back."""
    [state] = parse_qs(urlsplit(url).query)["state"]
    query = {"state": state, "code": provider.approve(url, ADA)}
    return await world.client.get(f"/oauth2/{PROVIDER}/callback", params=query)


async def _code(world: World, provider: MemoryIdentityProvider, **query: str) -> str:
    landing = await _back(world, provider, (await _begin(world, **query)).headers["location"])
    assert landing.status_code == 303
    return landing.headers["location"].removeprefix(f"{FRONT_END}#code=")


async def _exchange(world: World, code: str, verifier: str = VERIFIER) -> httpx.Response:
    body = {"code": code, "code_verifier": verifier}
    return await world.client.post("/api/v1/auth/exchange", json=body)


async def test_the_way_without_an_attack(world: World, provider: MemoryIdentityProvider) -> None:
    answer = await _exchange(world, await _code(world, provider))
    assert answer.status_code == 200
    assert (await world.ask(answer.json()["access_token"])).status_code == 200


async def test_no_header_changes_where_the_provider_sends_people(world: World) -> None:
    path = f"/oauth2/{PROVIDER}/login"
    answer = await world.client.get(path, params=BEGIN, headers=HOSTILE)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    issuer = world.auth.settings.issuer
    assert query["redirect_uri"] == [f"{issuer}/oauth2/{PROVIDER}/callback"]
    assert "evil" not in str(answer.headers) + answer.text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.test/",
        f"{FRONT_END}&next=https://evil.test",
        f"{FRONT_END}@evil.test",
        f"{FRONT_END}#@evil.test",
        FRONT_END.replace("https:", "javascript:"),
        FRONT_END.replace("acme", "ACME"),
        FRONT_END.replace("/welcome", "/welcome/../evil"),
        FRONT_END + "\r\nlocation: https://evil.test",
    ],
)
async def test_nobody_is_sent_to_a_front_end_that_is_not_configured(
    world: World, redirect_uri: str
) -> None:
    answer = await _begin(world, redirect_uri=redirect_uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil" not in str(answer.headers) + answer.text


async def test_a_state_serves_once_and_at_its_own_provider_only(
    world: World, provider: MemoryIdentityProvider
) -> None:
    url = (await _begin(world)).headers["location"]
    assert (await _back(world, provider, url)).status_code == 303
    assert (await _back(world, provider, url)).status_code == 400
    url = (await _begin(world)).headers["location"]
    [state] = parse_qs(urlsplit(url).query)["state"]
    query = {"state": state, "code": provider.approve(url, ADA)}
    crossed = await world.client.get(f"/oauth2/{OTHER_PROVIDER}/callback", params=query)
    assert crossed.status_code == 400
    assert "location" not in crossed.headers


async def test_a_code_serves_once_and_only_whoever_began(
    world: World, provider: MemoryIdentityProvider
) -> None:
    code = await _code(world, provider)
    answers = [
        await _exchange(world, code, ATTACKERS_VERIFIER),
        await _exchange(world, code),
        await _exchange(world, "hrl_" + "x" * 49),
    ]
    assert [answer.status_code for answer in answers] == [401] * 3
    errors = [{**answer.json()["error"], "request_id": ""} for answer in answers]
    assert errors[0] == errors[1] == errors[2]


async def test_a_code_planted_in_a_victims_browser_logs_nobody_in(
    world: World, provider: MemoryIdentityProvider
) -> None:
    planted = await _code(world, provider, code_challenge=s256_challenge(ATTACKERS_VERIFIER))
    assert (await _exchange(world, planted)).status_code == 401  # the victim's front end
    assert (await _exchange(world, planted, ATTACKERS_VERIFIER)).status_code == 401


async def test_a_link_planted_in_a_victims_browser_gives_the_attacker_nothing(
    world: World, provider: MemoryIdentityProvider
) -> None:
    attacker = await world.token(OUTSIDER.email)
    challenge = s256_challenge(ATTACKERS_VERIFIER)
    body = {**BEGIN, "code_challenge": challenge, "password": PASSWORD}
    path = f"/api/v1/auth/identities/{PROVIDER}"
    begun = await world.ask(attacker, "POST", path, json=body)
    landing = await _back(world, provider, begun.json()["authorization_url"])
    code = landing.headers["location"].removeprefix(f"{FRONT_END}#code=")
    assert (await _exchange(world, code)).status_code == 401
    listed = await world.ask(attacker, path="/api/v1/auth/identities")
    assert listed.json()["data"] == []


@pytest.mark.parametrize(
    ("proof", "status", "reason"),
    [
        ({}, 400, "invalid_value"),
        ({"password": ""}, 400, "invalid_value"),
        ({"password": "wrong"}, 401, "login_failed"),
        ({"code": "123456"}, 400, "invalid_value"),
    ],
)
async def test_a_stolen_access_token_adds_no_way_in(
    world: World, proof: dict[str, str], status: int, reason: str
) -> None:
    stolen = await world.token(MEMBER.email)
    path = f"/api/v1/auth/identities/{PROVIDER}"
    refused = await world.ask(stolen, "POST", path, json={**BEGIN, **proof})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, reason)
    assert "authorization_url" not in refused.text


async def test_a_stolen_access_token_of_an_account_without_a_password_adds_no_way_in(
    world: World, provider: MemoryIdentityProvider
) -> None:
    tokens = (await _exchange(world, await _code(world, provider))).json()
    path = f"/api/v1/auth/identities/{PROVIDER}"
    fresh = await world.ask(tokens["access_token"], "POST", path, json=BEGIN)
    assert fresh.status_code == 200
    world.clock.advance(300)
    refused = await world.ask(tokens["access_token"], "POST", path, json=BEGIN)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    assert "log in again" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("proof", "status", "reason"),
    [
        ({}, 400, "invalid_value"),
        ({"password": "wrong"}, 401, "login_failed"),
        ({"code": "123456"}, 400, "invalid_value"),
    ],
)
async def test_a_stolen_access_token_takes_no_way_in_away(
    world: World,
    provider: MemoryIdentityProvider,
    proof: dict[str, str],
    status: int,
    reason: str,
) -> None:
    stolen = await world.token(MEMBER.email)
    path = f"/api/v1/auth/identities/{PROVIDER}"
    begun = await world.ask(stolen, "POST", path, json={**BEGIN, "password": PASSWORD})
    landing = await _back(world, provider, begun.json()["authorization_url"])
    code = landing.headers["location"].removeprefix(f"{FRONT_END}#code=")
    assert (await _exchange(world, code)).status_code == 200
    body = {"subject": ADA.subject, **proof}
    refused = await world.ask(stolen, "POST", f"{path}/unlink", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, reason)
    # A DELETE brings no proof, so there is none.
    assert (await world.ask(stolen, "DELETE", f"{path}/{ADA.subject}")).status_code == 404
    listed = await world.ask(stolen, path="/api/v1/auth/identities")
    assert [each["subject"] for each in listed.json()["data"]] == [ADA.subject]


async def test_an_address_opens_no_account_that_has_a_password(
    world: World, provider: MemoryIdentityProvider
) -> None:
    url = (await _begin(world)).headers["location"]
    [state] = parse_qs(urlsplit(url).query)["state"]
    claimed = type(ADA)(PROVIDER, "eve", MEMBER.email, email_verified=True, name="")
    query = {"state": state, "code": provider.approve(url, claimed)}
    answer = await world.client.get(f"/oauth2/{PROVIDER}/callback", params=query)
    assert answer.headers["location"] == f"{FRONT_END}#error=password_account"


async def test_whoever_takes_an_address_first_has_nothing_once_a_provider_vouches_for_its_owner(
    world: World, provider: MemoryIdentityProvider
) -> None:
    """The squatter names the organisation, too, and invites the victim to one of its own."""
    squatted = {"email": ADA.email, "password": "the squatter's password"}
    register = {**squatted, "organization_name": "ada's employer"}
    registered = await world.client.post("/api/v1/auth/register", json=register)
    assert registered.status_code == 202
    squatter = await world.token(OUTSIDER.email)
    offer = {"email": ADA.email, "role": "admin"}
    assert (await world.ask(squatter, "POST", "/api/v1/invitations", json=offer)).is_success
    answer = await _exchange(world, await _code(world, provider))
    assert answer.status_code == 200
    ada = answer.json()["access_token"]
    me = (await world.ask(ada, path="/api/v1/auth/me")).json()
    assert [(place["name"], place["role"]) for place in me["organizations"]] == [
        ("ada's employer", "owner")
    ]
    members = (await world.ask(ada, path="/api/v1/users")).json()["data"]
    assert [member["email"] for member in members] == [ADA.email]
    refused = await world.client.post("/api/v1/auth/login", json=squatted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "login_failed")


@pytest.mark.parametrize("field", ["role", "user_id", "email", "scopes", "link_session_id"])
async def test_an_exchange_takes_no_field_more(
    world: World, provider: MemoryIdentityProvider, field: str
) -> None:
    body = {"code": await _code(world, provider), "code_verifier": VERIFIER, field: "owner"}
    answer = await world.client.post("/api/v1/auth/exchange", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_one_persons_identities_are_not_anothers(
    world: World, provider: MemoryIdentityProvider
) -> None:
    assert (await _exchange(world, await _code(world, provider))).status_code == 200
    outsider = await world.token(OUTSIDER.email)
    path = f"/api/v1/auth/identities/{PROVIDER}/unlink"
    body = {"subject": ADA.subject, "password": PASSWORD}
    assert (await world.ask(outsider, "POST", path, json=body)).status_code == 404
    assert (await _exchange(world, await _code(world, provider))).status_code == 200
