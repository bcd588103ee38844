"""Logging in by JSON and by form, going on, logging out, and what others need to verify tokens."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import PRINCIPAL, Gateway, running_gateway

TOKENS = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 1800}
LOGIN, REFRESH = "SessionService/Login", "SessionService/Refresh"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        running.accounts.answers[LOGIN] = AccountAnswer({"tokens": TOKENS}, PRINCIPAL)
        running.accounts.answers[REFRESH] = AccountAnswer({"tokens": TOKENS}, PRINCIPAL)
        running.client.headers.pop("authorization")
        yield running


async def test_a_login_brings_tokens_and_is_recorded_with_its_person(gateway: Gateway) -> None:
    credentials = {"email": "ada@example.org", "password": "correct horse", "code": "123456"}
    response = await gateway.client.post("/api/v1/auth/login", json=credentials)
    assert response.json() == TOKENS
    assert response.headers["cache-control"] == "no-store"
    assert gateway.accounts.calls == [(LOGIN, {**credentials, "organization_id": None})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.principal) == (Activity.LOGIN, PRINCIPAL)


async def test_auth_alone_judges_who_cannot_log_in(gateway: Gateway) -> None:
    gateway.accounts.answers[LOGIN] = HeadraceError(Reason.LOGIN_FAILED, "No.")
    for response in (
        await gateway.client.post("/api/v1/auth/login", json={"email": "a", "password": "b"}),
        await gateway.client.post("/api/v1/auth/login", data={"username": "a", "password": "b"}),
    ):
        assert response.json()["error"]["code"] == "login_failed"


async def test_a_login_may_come_as_an_oauth2_password_form(gateway: Gateway) -> None:
    form = {"grant_type": "password", "username": "ada@example.org", "password": "pass word+&="}
    response = await gateway.client.post("/api/v1/auth/login", data=form)
    assert response.json() == TOKENS
    [(name, fields)] = gateway.accounts.calls
    assert (name, fields["email"], fields["password"]) == (LOGIN, "ada@example.org", "pass word+&=")


@pytest.mark.parametrize(
    ("form", "param"),
    [
        (b"", "username"),
        (b"username=a%40b.c", "password"),
        (b"username=a%40b.c&password=x&grant_type=client_credentials", "grant_type"),
        (b"username=a%40b.c&password=x&role=owner", "role"),
        (b"username=a%40b.c&username=d%40e.f&password=x", None),
        (b"username=%ff%fe&password=x", None),
        (b"=&=&;", None),
    ],
)
async def test_a_bad_form_is_refused(gateway: Gateway, form: bytes, param: str | None) -> None:
    headers = {"content-type": f"{FORM}; charset=utf-8"}
    response = await gateway.client.post("/api/v1/auth/login", content=form, headers=headers)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.LOGIN_FAILED, 401, "login_failed"),
        (Reason.SECOND_FACTOR_REQUIRED, 401, "second_factor_required"),
        (Reason.LOGIN_THROTTLED, 429, "login_throttled"),
        (Reason.QUEUE_FULL, 503, "queue_full"),
        (Reason.DEPENDENCY_UNAVAILABLE, 503, "dependency_unavailable"),
    ],
)
async def test_how_a_login_may_fail(
    gateway: Gateway, reason: Reason, status: int, code: str
) -> None:
    error = HeadraceError(reason, "Sorry.", retry_after_seconds=7 if status != 401 else None)
    gateway.accounts.answers[LOGIN] = error
    credentials = {"email": "ada@example.org", "password": "wrong"}
    response = await gateway.client.post("/api/v1/auth/login", json=credentials)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("retry-after") == ("7" if status != 401 else None)
    [exchange] = gateway.events.exchanges
    assert exchange.outcome is (Outcome.FAILED if status == 503 else Outcome.REFUSED)


async def test_a_refresh_needs_no_other_credential(gateway: Gateway) -> None:
    response = await gateway.client.post("/api/v1/auth/refresh", json={"refresh_token": "hrr_x"})
    assert response.json() == TOKENS
    assert gateway.accounts.calls == [(REFRESH, {"refresh_token": "hrr_x"})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.principal) == (Activity.SESSION, PRINCIPAL)


@pytest.mark.parametrize(
    ("method", "path", "call", "fields"),
    [
        ("GET", "me", "GetMe", {}),
        ("GET", "sessions", "ListSessions", {}),
        ("DELETE", "sessions/s1", "EndSession", {"session_id": "s1"}),
        ("DELETE", "sessions", "EndAllSessions", {}),
        ("POST", "logout", "EndSession", {}),
    ],
)
async def test_ones_own_account_needs_a_credential(
    gateway: Gateway, method: str, path: str, call: str, fields: dict[str, Any]
) -> None:
    name = f"SessionService/{call}"
    gateway.accounts.answers[name] = AccountAnswer({"sessions": []})
    refused = await gateway.client.request(method, f"/api/v1/auth/{path}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    headers = {"authorization": "Bearer hr_test_key"}
    answered = await gateway.client.request(method, f"/api/v1/auth/{path}", headers=headers)
    assert answered.status_code == 200
    assert gateway.accounts.calls == [(name, fields)]


async def test_the_keys_of_tokens_are_public_and_may_be_cached(gateway: Gateway) -> None:
    response = await gateway.client.get("/.well-known/jwks.json")
    assert [key["kid"] for key in response.json()["keys"]] == ["memory"]
    assert response.headers["cache-control"] == "public, max-age=300"


async def test_the_document_tells_which_routes_are_open(gateway: Gateway) -> None:
    paths = (await gateway.client.get("/openapi.json")).json()["paths"]
    assert paths["/api/v1/auth/login"]["post"]["security"] == []
    assert paths["/api/v1/auth/me"]["get"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert "security" not in paths["/.well-known/jwks.json"]["get"]
