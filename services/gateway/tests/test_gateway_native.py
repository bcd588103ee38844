"""Logins, keys, models, health, docs, and what the edge adds to every response."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

WANTED = {"name": "ci", "requests_per_minute": 5, "expires_at": "2027-01-01T01:00:00+01:00"}


def _key(**fields: Any) -> dict[str, Any]:
    """As auth describes a key."""
    return {
        "api_key_id": "k1",
        "name": "ci",
        "scopes": ["llm:invoke"],
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "expires_at": None,
        "revoked_at": None,
        **fields,
    }


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(maximum_body_bytes=2000) as running:
        yield running


@pytest.fixture
def keys_of_auth(gateway: Gateway) -> None:
    """What auth answers about one key."""
    made = _key(expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    gone = _key(revoked_at=datetime(2026, 6, 1, 12, 0, 0, 5, tzinfo=UTC))
    gateway.accounts.answers |= {
        "ApiKeyService/CreateApiKey": AccountAnswer({"api_key": made, "secret": "hr_k1_secret"}),
        "ApiKeyService/ListApiKeys": AccountAnswer({"api_keys": [made], "next_page_token": ""}),
        "ApiKeyService/RevokeApiKey": AccountAnswer({"api_key": gone}),
    }


async def test_a_failed_login_is_401_and_recorded(gateway: Gateway) -> None:
    gateway.accounts.answers["SessionService/Login"] = HeadraceError(
        Reason.LOGIN_FAILED, "Wrong e-mail address, password or code."
    )
    credentials = {"email": "ada@example.org", "password": "wrong"}
    response = await gateway.client.post("/api/v1/auth/login", json=credentials)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "login_failed"
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.outcome) == (Activity.LOGIN, Outcome.REFUSED)
    assert exchange.principal is None


@pytest.mark.usefixtures("keys_of_auth")
async def test_keys_are_created_listed_and_revoked(gateway: Gateway) -> None:
    created = await gateway.client.post("/api/v1/keys", json=WANTED)
    assert created.status_code == 201
    key = created.json()
    assert next(iter(key)) == "id"
    assert (key["id"], key["secret"], key["name"]) == ("k1", "hr_k1_secret", "ci")
    assert key["expires_at"] == "2027-01-01T00:00:00Z"
    listed = (await gateway.client.get("/api/v1/keys")).json()
    assert [item["id"] for item in listed["data"]] == ["k1"]
    assert listed["next_page_token"] is None
    assert "secret" not in listed["data"][0]
    revoked = await gateway.client.delete("/api/v1/keys/k1")
    assert revoked.json()["revoked_at"] == "2026-06-01T12:00:00.000005Z"


@pytest.mark.usefixtures("keys_of_auth")
async def test_what_is_done_with_keys_is_asked_of_auth_and_recorded(gateway: Gateway) -> None:
    await gateway.client.post("/api/v1/keys", json=WANTED)
    await gateway.client.get("/api/v1/keys")
    await gateway.client.delete("/api/v1/keys/k1")
    assert gateway.accounts.calls == [
        (
            "ApiKeyService/CreateApiKey",
            {
                "name": "ci",
                "scopes": [],
                "allowed_models": [],
                "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
                "requests_per_minute": 5,
                "tokens_per_minute": None,
                "concurrent_requests": None,
                "allowed_networks": [],
                "budget": None,
                "user_id": "",
            },
        ),
        ("ApiKeyService/ListApiKeys", {"page_size": 50, "page_token": ""}),
        ("ApiKeyService/RevokeApiKey", {"api_key_id": "k1"}),
    ]
    assert [exchange.resource for exchange in gateway.events.exchanges] == [
        "api_key:k1",
        "",
        "api_key:k1",
    ]
    assert [exchange.activity for exchange in gateway.events.exchanges] == [
        Activity.API_KEY_CREATE,
        Activity.API_KEY_LIST,
        Activity.API_KEY_REVOKE,
    ]
    # Noted before the call, so that a kill of the process leaves none without a trace.
    assert gateway.events.begun == {e.request_id for e in gateway.events.exchanges}


async def test_what_was_refused_is_recorded_with_what_it_was_about(gateway: Gateway) -> None:
    response = await gateway.client.delete("/api/v1/keys/of-another")
    assert response.status_code == 403
    [exchange] = gateway.events.exchanges
    assert (exchange.resource, exchange.outcome) == ("api_key:of-another", Outcome.REFUSED)


async def test_a_key_can_be_revoked_while_rates_cannot_be_counted(gateway: Gateway) -> None:
    gateway.accounts.answers["ApiKeyService/RevokeApiKey"] = AccountAnswer({"api_key": _key()})
    gateway.limiter.unavailable = True
    assert (await gateway.client.delete("/api/v1/keys/k1")).status_code == 200
    listing = await gateway.client.get("/v1/models")
    assert listing.status_code == 503
    assert listing.headers["retry-after"] == "1"


async def test_keys_are_rate_limited_too() -> None:
    async with running_gateway(default_requests_per_minute=2) as gateway:
        no_keys = AccountAnswer({"api_keys": [], "next_page_token": ""})
        gateway.accounts.answers["ApiKeyService/ListApiKeys"] = no_keys
        answers = [await gateway.client.get("/api/v1/keys") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert len(gateway.accounts.calls) == 2


async def test_keys_come_in_pages(gateway: Gateway) -> None:
    call = "ApiKeyService/ListApiKeys"
    keys = [_key(api_key_id=f"k{number}") for number in range(2)]
    gateway.accounts.answers[call] = AccountAnswer({"api_keys": keys, "next_page_token": "more"})
    first = (await gateway.client.get("/api/v1/keys", params={"page_size": 2})).json()
    assert [key["id"] for key in first["data"]] == ["k0", "k1"]
    assert first["next_page_token"] == "more"
    await gateway.client.get("/api/v1/keys", params={"page_token": first["next_page_token"]})
    assert [fields for _, fields in gateway.accounts.calls] == [
        {"page_size": 2, "page_token": ""},
        {"page_size": 50, "page_token": "more"},
    ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "role": "owner"}, "role"),
        ({"name": "x", "requests_per_minute": 0}, "requests_per_minute"),
        ({"name": "x", "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x", "expires_at": "9999-12-31T23:59:59-05:00"}, "expires_at"),
        ({"name": "x", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
    ],
)
async def test_a_bad_field_of_a_new_key_is_named(
    gateway: Gateway, body: dict[str, object], param: str
) -> None:
    response = await gateway.client.post("/api/v1/keys", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert gateway.accounts.calls == []


async def test_a_bad_query_parameter_is_named(gateway: Gateway) -> None:
    response = await gateway.client.get("/api/v1/keys", params={"page_size": "many"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "page_size"


async def test_models_lists_what_the_key_may_use(gateway: Gateway) -> None:
    listed = (await gateway.client.get("/v1/models")).json()
    assert [model["id"] for model in listed["data"]] == ["echo"]
    assert listed["data"][0]["owned_by"] == "headrace"
    assert (await gateway.client.get("/v1/models/echo")).json() == listed["data"][0]
    assert (await gateway.client.get("/v1/models/none")).status_code == 404
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, allowed_models=frozenset({"other"}))
    gateway.clock.advance(60)
    assert (await gateway.client.get("/v1/models")).json()["data"] == []


async def test_health_needs_no_credential(gateway: Gateway) -> None:
    gateway.client.headers.pop("authorization")
    for name in ("ping", "liveness", "startup", "readiness", "status"):
        assert (await gateway.client.get(f"/api/v1/health/{name}")).status_code == 200, name
    assert (await gateway.client.get("/version")).json()["name"] == "headrace"


async def test_metrics_are_not_on_the_public_port(gateway: Gateway) -> None:
    assert (await gateway.client.get("/metrics")).status_code == 404


async def test_every_response_carries_id_and_security_headers(gateway: Gateway) -> None:
    for path in ("/nothing", "/v1/models", "/docs"):
        headers = (await gateway.client.get(path)).headers
        assert len(headers["x-request-id"]) == 36
        assert headers["x-content-type-options"] == "nosniff"
        assert "max-age=" in headers["strict-transport-security"]
        assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("/docs", ["assets/swagger-ui-bundle.js", "assets/swagger-ui.css", "start.js"]),
        ("/redoc", ["assets/redoc.standalone.js"]),
    ],
)
async def test_docs_need_nothing_from_elsewhere(
    gateway: Gateway, path: str, files: list[str]
) -> None:
    response = await gateway.client.get(path)
    page, policy = response.text, response.headers["content-security-policy"]
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    assert "script-src 'self';" in policy
    assert ("'unsafe-inline'" in policy) is (path == "/redoc")  # which writes its own styles
    for file in files:
        assert f"/docs/{file}" in page
        answer = await gateway.client.get(f"/docs/{file}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=3600"
    assert (await gateway.client.get("/docs/assets/favicon.png")).status_code == 404


async def test_the_document_names_bodies(gateway: Gateway) -> None:
    schema = (await gateway.client.get("/openapi.json")).json()
    body = schema["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"]["$ref"].endswith("ChatCompletionBody")
    assert "ChatCompletionBody" in schema["components"]["schemas"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/models", 405)]
)
async def test_unrouted_requests_get_the_one_error_body(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    response = await gateway.client.request(method, path)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code", "request_id"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/keys/key_1", {"GET", "PATCH", "DELETE"}),
        ("/api/v1/keys/signing", {"POST"}),
        ("/v1/models/a/b", {"GET"}),
        ("/docs", {"GET"}),
    ],
)
async def test_a_refused_method_hears_of_all_others(
    gateway: Gateway, path: str, methods: set[str]
) -> None:
    answer = await gateway.client.put(path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == methods


async def test_a_large_body_is_413_whether_announced_or_not(gateway: Gateway) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1000

    announced = await gateway.client.post("/v1/chat/completions", content=b"x" * 2001)
    chunked = await gateway.client.post("/v1/chat/completions", content=chunks())
    assert (announced.status_code, chunked.status_code) == (413, 413)
    assert chunked.json()["error"]["code"] == "request_too_large"


async def test_too_many_requests_in_flight_are_shed_but_probes_are_answered() -> None:
    async with running_gateway(maximum_requests_in_flight=1) as gateway:
        # The one place is taken by a request that waits for its body for ever.
        waiting = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"{"
            waiting.set()
            await asyncio.Event().wait()

        slow = asyncio.create_task(gateway.client.post("/v1/chat/completions", content=endless()))
        await waiting.wait()
        shed = await gateway.client.get("/v1/models")
        assert shed.status_code == 503
        assert shed.json()["error"]["code"] == "queue_full"
        assert shed.headers["retry-after"] == "1"
        assert (await gateway.client.get("/api/v1/health/liveness")).status_code == 200
        slow.cancel()
        await asyncio.wait([slow])


async def test_a_body_that_trickles_is_refused_in_time() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with running_gateway(body_timeout_seconds=0.05) as gateway, asyncio.timeout(10):
        response = await gateway.client.post("/v1/chat/completions", content=endless())
        assert response.status_code == 408
        assert response.json()["error"]["code"] == "request_too_slow"


async def test_a_developers_browser_is_not_bound_to_https_on_localhost() -> None:
    async with running_gateway(environment="development") as gateway:
        headers = (await gateway.client.get("/version")).headers
        assert "strict-transport-security" not in headers


async def test_the_document_tells_credentials_and_errors(gateway: Gateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    create = document["paths"]["/api/v1/keys"]["post"]
    assert create["security"] == [{"bearer": []}, {"apiKey": []}]
    assert create["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "ErrorBody"
    )
    assert document["paths"]["/api/v1/auth/login"]["post"].get("security", []) == []
    assert "HTTPValidationError" not in str(document)


async def test_operations_are_named_by_their_whole_route(gateway: Gateway) -> None:
    await gateway.client.get("/api/v1/keys")
    await gateway.client.get("/v1/models/echo")
    operations = [exchange.operation for exchange in gateway.events.exchanges]
    assert operations == ["GET /api/v1/keys", "GET /v1/models/{model:path}"]
