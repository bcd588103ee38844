"""One's own account over HTTP: making it, proving its address, its password, its second factor."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import KEY, Gateway, running_gateway

TOKENS = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 1800}
EMAIL, PASSWORD = "ada@example.org", "correct horse battery staple"
CODES = {"recovery_codes": ["ABCD-EFGH-IJKL-MNOP"]}
OPEN: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("register", "Register", {"email": EMAIL, "password": PASSWORD}, 202),
    ("email/verify", "VerifyEmail", {"token": "hrv_x", "password": PASSWORD}, 200),
    ("email/resend", "ResendVerification", {"email": EMAIL}, 202),
    ("password/forgot", "RequestPasswordReset", {"email": EMAIL}, 202),
    ("password/reset", "ResetPassword", {"token": "hrp_x", "new_password": PASSWORD}, 200),
)
BOTH = {"password": PASSWORD, "code": "123456"}
OWN: tuple[tuple[str, str, dict[str, Any], int, dict[str, Any]], ...] = (
    (
        "invitations/accept",
        "AcceptInvitation",
        {"token": "hri_x", "password": PASSWORD, "code": "123456"},
        200,
        {"organization_id": "org_2", "role": "member"},
    ),
    (
        "second-factor",
        "StartSecondFactor",
        {"password": PASSWORD},
        201,
        {"secret": "BASE32", "uri": "otpauth://totp/x"},
    ),
    ("second-factor/confirm", "ConfirmSecondFactor", {"code": "123456"}, 200, CODES),
    ("second-factor/remove", "RemoveSecondFactor", BOTH, 200, {}),
    ("second-factor/recovery-codes", "NewRecoveryCodes", BOTH, 201, CODES),
)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        running.client.headers.pop("authorization")
        yield running


@pytest.mark.parametrize(("path", "call", "body", "status"), OPEN)
async def test_what_needs_no_login_is_passed_on_and_answered_with_nothing(
    gateway: Gateway, path: str, call: str, body: dict[str, Any], status: int
) -> None:
    gateway.accounts.answers[f"AccountService/{call}"] = AccountAnswer({})
    response = await gateway.client.post(f"/api/v1/auth/{path}", json=body)
    assert (response.status_code, response.json()) == (status, {})
    assert response.headers["cache-control"] == "no-store"
    [(name, fields)] = gateway.accounts.calls
    assert name == f"AccountService/{call}"
    assert {key: fields[key] for key in body} == body
    [exchange] = gateway.events.exchanges
    assert exchange.activity is Activity.SESSION
    assert PASSWORD not in repr(exchange)


@pytest.mark.parametrize(("path", "call", "body", "status", "answer"), OWN)
async def test_ones_own_account_needs_a_login(
    gateway: Gateway,
    path: str,
    call: str,
    body: dict[str, Any],
    status: int,
    answer: dict[str, Any],
) -> None:
    gateway.accounts.answers[f"AccountService/{call}"] = AccountAnswer(answer)
    refused = await gateway.client.post(f"/api/v1/auth/{path}", json=body)
    assert refused.status_code == 401
    assert gateway.accounts.calls == []
    headers = {"authorization": f"Bearer {KEY}"}
    response = await gateway.client.post(f"/api/v1/auth/{path}", json=body, headers=headers)
    assert (response.status_code, response.json()) == (status, answer)
    assert gateway.accounts.calls == [(f"AccountService/{call}", body)]


@pytest.mark.parametrize("proof", [{}, {"code": "123456"}])
async def test_a_changed_password_brings_tokens(gateway: Gateway, proof: dict[str, str]) -> None:
    call, body = "AccountService/ChangePassword", {"current_password": "old"}
    body["new_password"] = PASSWORD
    gateway.accounts.answers[call] = AccountAnswer({"tokens": TOKENS})
    response = await gateway.client.post(
        "/api/v1/auth/password",
        json=body | proof,
        headers={"authorization": f"Bearer {KEY}"},
    )
    assert (response.status_code, response.json()) == (200, TOKENS)
    assert gateway.accounts.calls == [(call, {"code": ""} | body | proof)]


@pytest.mark.parametrize(
    "extra", ["role", "organization_id", "email_verified_at", "platform", "user_id", "kind"]
)
async def test_who_registers_cannot_say_what_is_not_theirs_to_say(
    gateway: Gateway, extra: str
) -> None:
    body = {"email": EMAIL, "password": PASSWORD, extra: "owner"}
    response = await gateway.client.post("/api/v1/auth/register", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, extra)
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("register", {"email": EMAIL}, "password"),
        ("register", {"email": "ann", "password": PASSWORD}, "email"),
        ("register", {"email": "a" * 255, "password": PASSWORD}, "email"),
        ("register", {"email": EMAIL, "password": "x" * 1025}, "password"),
        ("register", {"email": EMAIL, "password": PASSWORD, "name": "x" * 101}, "name"),
        ("register", {"email": [EMAIL], "password": PASSWORD}, "email"),
        ("email/verify", {"token": "x" * 201}, "token"),
        ("email/verify", {"token": ""}, "token"),
        ("password/reset", {"token": "x", "new_password": ""}, "new_password"),
    ],
)
async def test_a_bad_body_is_refused_before_auth_hears_of_it(
    gateway: Gateway, path: str, body: dict[str, Any], param: str
) -> None:
    response = await gateway.client.post(f"/api/v1/auth/{path}", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert gateway.accounts.calls == []


@pytest.mark.parametrize("path", ["register", "email/resend", "password/forgot"])
@pytest.mark.parametrize("text", ["", "a", "ann", "ann@", "@example.org"])
async def test_what_is_no_address_is_told_so(gateway: Gateway, path: str, text: str) -> None:
    body = {"email": text} | ({"password": PASSWORD} if path == "register" else {})
    error = (await gateway.client.post(f"/api/v1/auth/{path}", json=body)).json()["error"]
    assert error["param"] == "email"
    assert "an e-mail address is needed" in error["message"]
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.PERMISSION_DENIED, 403, "permission_denied"),
        (Reason.REQUEST_RATE_LIMITED, 429, "rate_limit_exceeded"),
        (Reason.QUEUE_FULL, 503, "queue_full"),
        (Reason.DEPENDENCY_UNAVAILABLE, 503, "dependency_unavailable"),
    ],
)
async def test_how_registering_may_fail(
    gateway: Gateway, reason: Reason, status: int, code: str
) -> None:
    gateway.accounts.answers["AccountService/Register"] = HeadraceError(reason, "Sorry.")
    body = {"email": EMAIL, "password": PASSWORD}
    response = await gateway.client.post("/api/v1/auth/register", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
