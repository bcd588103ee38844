"""Accounts under attack: what mail proves, what it does not, and where its tokens never show."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pyotp import TOTP
from tests.security.world import World, running_world

from headrace.audit.v1 import audit_pb2
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.directory import Membership
from headrace_auth.testing.directory import ADMIN, GLOBEX, MEMBER, OUTSIDER, OWNER, PASSWORD

NEWCOMER, NEW_PASSWORD = "new@people.test", "another horse battery staple"
HMAC = {"signature_algorithm": "hmac-sha256"}
APPLICATION = {
    "redirect_uris": ["https://app.example/callback"],
    "grant_types": ["authorization_code"],
    "scopes": ["llm:invoke"],
}
SQL = "x'); DROP TABLE auth.users; --"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Anybody may register."""
    async with running_world(registration="open", mail_folder=tmp_path) as running:
        yield running


async def _post(world: World, path: str, status: int, token: str = "", **body: Any) -> Any:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    response = await world.client.post(f"/api/v1/auth/{path}", json=body, headers=headers)
    assert response.status_code == status, response.text
    return response.json()


def _token(world: World) -> str:
    found = re.search(r"#token=(\S+)$", world.auth.mailer.sent[-1].text, re.M)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("path", ["register", "email/resend", "password/forgot"])
async def test_known_and_unknown_addresses_get_one_answer(world: World, path: str) -> None:
    answers = []
    for email in (OWNER.email, NEWCOMER):
        body = {"email": email} | ({"password": NEW_PASSWORD} if path == "register" else {})
        response = await world.client.post(f"/api/v1/auth/{path}", json=body)
        headers = {key: value for key, value in response.headers.items() if key != "x-request-id"}
        answers.append((response.status_code, response.content, headers))
    assert answers[0] == answers[1]
    assert answers[0][0] == 202


async def test_whoever_takes_an_address_first_has_nothing_once_its_owner_comes(
    world: World,
) -> None:
    await _post(world, "register", 202, email=NEWCOMER, password="the squatter's password")
    await _post(world, "register", 202, email=NEWCOMER, password=NEW_PASSWORD)
    assert world.auth.mailer.sent[-1].subject == "Your address is waiting to be confirmed"
    await _post(world, "password/forgot", 202, email=NEWCOMER)
    await _post_reset(world, _token(world))
    await _post(world, "login", 401, email=NEWCOMER, password="the squatter's password")
    await _post(world, "login", 200, email=NEWCOMER, password=NEW_PASSWORD)


@pytest.mark.parametrize(
    ("proof", "status", "reason"),
    [
        ({}, 400, "invalid_value"),
        ({"password": ""}, 400, "invalid_value"),
        ({"password": NEW_PASSWORD}, 401, "login_failed"),
        ({"password": NEW_PASSWORD, "email": NEWCOMER}, 400, "invalid_value"),
    ],
)
async def test_who_opens_the_link_in_the_mail_opens_no_account_of_whoever_used_the_address(
    world: World, proof: dict[str, str], status: int, reason: str
) -> None:
    squatted = {"email": NEWCOMER, "password": "the squatter's password"}
    await _post(world, "register", 202, **squatted)
    body = {"token": _token(world), **proof}
    answer = await world.client.post("/api/v1/auth/email/verify", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, reason)
    await _post(world, "login", 403, **squatted)
    # Nor does the squatter get further alone.
    body = {"token": "hrv_" + "x" * 49, "password": squatted["password"]}
    answer = await world.client.post("/api/v1/auth/email/verify", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "token")


async def test_who_registered_and_reads_the_mail_confirms_the_address(world: World) -> None:
    await _post(world, "register", 202, email=NEWCOMER, password=NEW_PASSWORD)
    body = {"token": _token(world), "password": NEW_PASSWORD}
    answer = await world.client.post("/api/v1/auth/email/verify", json=body)
    assert answer.status_code == 200
    await _post(world, "login", 200, email=NEWCOMER, password=NEW_PASSWORD)


async def _post_reset(world: World, token: str, status: int = 200) -> None:
    body = {"token": token, "new_password": NEW_PASSWORD}
    response = await world.client.post("/api/v1/auth/password/reset", json=body)
    assert response.status_code == status, response.text


async def test_a_stolen_mailbox_is_not_enough_where_there_is_a_second_factor(
    world: World,
) -> None:
    token = await world.token(MEMBER.email)
    started = await _post(world, "second-factor", 201, token, password=PASSWORD)
    code = TOTP(started["secret"]).at(world.clock.now())
    await _post(world, "second-factor/confirm", 200, token, code=code)
    await _post(world, "password/forgot", 202, email=MEMBER.email)
    await _post_reset(world, _token(world))
    refused = await _post(world, "login", 401, email=MEMBER.email, password=NEW_PASSWORD)
    assert refused["error"]["code"] == "second_factor_required"
    # The code that confirmed is used up.
    again = {"email": MEMBER.email, "password": NEW_PASSWORD, "code": code}
    await _post(world, "login", 401, **again)


async def test_a_stolen_token_is_not_enough_for_what_needs_the_password(world: World) -> None:
    token = await world.token(MEMBER.email)
    for path, body in (
        ("password", {"current_password": "wrong", "new_password": NEW_PASSWORD}),
        ("second-factor", {"password": "wrong"}),
        ("second-factor/remove", {"password": "wrong", "code": "123456"}),
        ("second-factor/recovery-codes", {"password": "wrong", "code": "123456"}),
    ):
        refused = await _post(world, path, 401, token, **body)
        assert refused["error"]["code"] == "login_failed"


async def test_a_stolen_token_and_the_password_are_not_enough_where_there_is_a_second_factor(
    world: World,
) -> None:
    token = await world.token(MEMBER.email)
    started = await _post(world, "second-factor", 201, token, password=PASSWORD)
    code = TOTP(started["secret"]).at(world.clock.now())
    await _post(world, "second-factor/confirm", 200, token, code=code)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    for proof, reason in (
        ({}, "second_factor_required"),
        ({"code": ""}, "second_factor_required"),
        ({"code": code}, "login_failed"),  # it is used up
    ):
        refused = await _post(world, "password", 401, token, **body, **proof)
        assert refused["error"]["code"] == reason


@pytest.mark.parametrize(
    ("proof", "status", "reason"),
    [
        ({}, 400, "invalid_value"),
        ({"password": "wrong"}, 401, "login_failed"),
        ({"code": "123456"}, 400, "invalid_value"),
    ],
)
async def test_a_stolen_token_joins_its_owner_to_no_organisation(
    world: World, proof: dict[str, str], status: int, reason: str
) -> None:
    body = {"email": ADMIN.email, "role": "member"}
    attacker = await world.token(OUTSIDER.email)
    invited = await world.ask(attacker, "POST", "/api/v1/invitations", json=body)
    assert invited.status_code == 201, invited.text
    stolen = await world.token(ADMIN.email)
    body = {"token": _token(world), **proof}
    refused = await world.ask(stolen, "POST", "/api/v1/auth/invitations/accept", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, reason)
    assert (ADMIN.user_id, GLOBEX) not in world.auth.store.rows[Membership]


@pytest.mark.parametrize(
    ("path", "fields", "subject"),
    [
        ("/api/v1/keys", {}, "API key was made"),
        ("/api/v1/keys/signing", HMAC, "Signing key was made"),
        ("/api/v1/oauth-clients", APPLICATION, "Application was made"),
    ],
)
async def test_what_a_stolen_token_makes_its_owner_is_told(
    world: World, path: str, fields: dict[str, Any], subject: str
) -> None:
    stolen = await world.token(OWNER.email)
    made = await world.ask(stolen, "POST", path, json={"name": "backdoor", **fields})
    assert made.status_code == 201, made.text
    mail = world.auth.mailer.sent[-1]
    assert (mail.to, mail.subject) == (OWNER.email, subject)
    for part in ('Name: "backdoor"', made.json()["id"], "From: 192.0.2.1", "revoke"):
        assert part in mail.text
    assert made.json()["secret"] not in mail.text


async def test_no_organisation_floods_strangers_with_invitations(tmp_path: Path) -> None:
    async with running_world(invitations_per_day=3, mail_folder=tmp_path) as world:
        owner = await world.token(OUTSIDER.email)
        statuses = []
        for number in range(5):
            body = {"email": f"stranger{number}@people.test", "role": "member"}
            answer = await world.ask(owner, "POST", "/api/v1/invitations", json=body)
            statuses.append(answer.status_code)
            if answer.status_code == 201:
                path = f"/api/v1/invitations/{answer.json()['id']}"
                assert (await world.ask(owner, "DELETE", path)).status_code == 200
        assert statuses == [201] * 3 + [429] * 2
        assert answer.headers["retry-after"] == "86400"
        assert len(world.auth.mailer.sent) == 3


@pytest.mark.parametrize("field", ["email", "password", "name", "organization_name"])
@pytest.mark.parametrize(
    "value",
    [SQL, "x\r\nBcc: all@people.test", "\0", "\ud800", "x" * 5000],
    ids=["sql", "header", "nul", "surrogate", "long"],
)
async def test_hostile_text_breaks_nothing(world: World, field: str, value: str) -> None:
    body = {"email": NEWCOMER, "password": NEW_PASSWORD, field: value}
    # In ASCII, as a lone surrogate has no other way to travel.
    content = json.dumps(body).encode()
    response = await world.client.post("/api/v1/auth/register", content=content)
    assert response.status_code in (202, 400), response.text
    for mail in world.auth.mailer.sent:
        assert mail.to == NEWCOMER
        assert "\n" not in mail.subject


async def test_secrets_of_accounts_show_in_no_event(world: World) -> None:
    await _post(world, "register", 202, email=NEWCOMER, password=NEW_PASSWORD)
    verify = _token(world)
    await _post(world, "password/forgot", 202, email=MEMBER.email)
    reset = _token(world)
    await _post_reset(world, reset)
    token = await world.token(MEMBER.email, NEW_PASSWORD)
    started = await _post(world, "second-factor", 201, token, password=NEW_PASSWORD)
    code = TOTP(started["secret"]).at(world.clock.now())
    confirmed = await _post(world, "second-factor/confirm", 200, token, code=code)
    events = [
        str(audit_pb2.AuditEvent.FromString(event.payload))
        for event in world.auth.store.rows[OutboxEvent].values()
    ]
    seen = "".join([*events, *map(repr, world.events.exchanges)])
    secrets = (NEW_PASSWORD, verify, reset, started["secret"], *confirmed["recovery_codes"])
    for secret in secrets:
        assert secret not in seen
