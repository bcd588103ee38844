"""What applications call by themselves passes through to `auth` and back, in the RFCs' form."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.http.oauth_routes import ENDPOINTS
from headrace_gateway.http.well_known_routes import CACHE_SECONDS
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import PRINCIPAL, Gateway, running_gateway

FORM = "application/x-www-form-urlencoded"
TOKEN = "OAuthService/IssueToken"
METADATA = "OAuthService/GetServerMetadata"
DOCUMENT = "/.well-known/oauth-authorization-server"
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.path)


def answer(status: int = 200, body: Any = None, **headers: str) -> dict[str, Any]:
    told = {"Content-Type": "application/json", "Cache-Control": "no-store", **headers}
    return {
        "answer": {
            "status": status,
            "headers": told,
            "body_json": orjson.dumps(body or {}).decode(),
        }
    }


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        for endpoint in ENDPOINTS:
            call = f"OAuthService/{endpoint.call}"
            running.accounts.answers[call] = AccountAnswer(answer(body={"fine": True}))
        running.client.headers.pop("authorization")
        yield running


@every_endpoint
async def test_a_form_goes_to_auth_as_it_came(gateway: Gateway, endpoint: Any) -> None:
    body = b"grant_type=x&a=%20&a=2&client_secret=s%2Bs&="
    headers = {"content-type": f"{FORM};charset=UTF-8", "authorization": "Basic d2ViOnM="}
    response = await gateway.client.post(f"{endpoint.path}?q=1", content=body, headers=headers)
    assert (response.status_code, response.json()) == (200, {"fine": True})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    form = {"body": body, "query": b"q=1", "authorization": "Basic d2ViOnM="}
    assert gateway.accounts.calls == [(f"OAuthService/{endpoint.call}", {"form": form})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.outcome) == (Activity.SESSION, Outcome.SUCCEEDED)


async def test_two_authorization_headers_are_no_credential(gateway: Gateway) -> None:
    headers = [("content-type", FORM), ("authorization", "Basic a"), ("authorization", "Basic b")]
    await gateway.client.post("/oauth2/token", content=b"a=1", headers=headers)
    [(_, fields)] = gateway.accounts.calls
    assert fields["form"]["authorization"] == "Basic a, Basic b"


async def test_the_audit_hears_whom_a_token_stands_for(gateway: Gateway) -> None:
    gateway.accounts.answers[TOKEN] = AccountAnswer(answer(), PRINCIPAL)
    await gateway.client.post("/oauth2/token", data={"grant_type": "client_credentials"})
    assert gateway.events.exchanges[0].principal == PRINCIPAL


@pytest.mark.parametrize(
    ("status", "reason"), [(400, Reason.INVALID_FIELD), (401, Reason.CREDENTIAL_INVALID)]
)
async def test_a_refusal_goes_out_as_auth_wrote_it_and_is_recorded_as_one(
    gateway: Gateway, status: int, reason: Reason
) -> None:
    headers = {"WWW-Authenticate": 'Basic realm="headrace"'}
    refusal = answer(status, {"error": "invalid_grant"}, **headers)
    gateway.accounts.answers[TOKEN] = AccountAnswer(refusal)
    response = await gateway.client.post("/oauth2/token", data={"grant_type": "x"})
    assert (response.status_code, response.json()) == (status, {"error": "invalid_grant"})
    assert response.headers["www-authenticate"] == 'Basic realm="headrace"'
    [exchange] = gateway.events.exchanges
    assert exchange.outcome is Outcome.REFUSED
    assert exchange.error is not None
    assert exchange.error.reason is reason


@every_endpoint
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_no_other_method_will_do(gateway: Gateway, endpoint: Any, method: str) -> None:
    response = await gateway.client.request(method, f"{endpoint.path}?token=secret")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert gateway.accounts.calls == []


@every_endpoint
@pytest.mark.parametrize("media_type", ["", "application/json", "multipart/form-data"])
async def test_nothing_but_a_form_will_do(gateway: Gateway, endpoint: Any, media_type: str) -> None:
    headers = {"content-type": media_type}
    response = await gateway.client.post(endpoint.path, content=b"{}", headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response.headers["cache-control"] == "no-store"
    assert gateway.accounts.calls == []
    assert gateway.events.exchanges[0].outcome is Outcome.REFUSED


async def test_a_body_beyond_bounds_is_refused_in_the_same_form(gateway: Gateway) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b"x" * 1024

    headers = {"content-type": FORM}
    response = await gateway.client.post("/oauth2/token", content=chunks(), headers=headers)
    assert (response.status_code, response.json()["error"]) == (413, "invalid_request")
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("reason", "status", "error"),
    [
        (Reason.QUEUE_FULL, 503, "temporarily_unavailable"),
        (Reason.DEPENDENCY_UNAVAILABLE, 503, "temporarily_unavailable"),
        (Reason.DEADLINE_EXCEEDED, 504, "temporarily_unavailable"),
        (Reason.INTERNAL, 500, "server_error"),
    ],
)
async def test_an_outage_is_told_as_one_and_never_as_a_wrong_credential(
    gateway: Gateway, reason: Reason, status: int, error: str
) -> None:
    gateway.accounts.answers[TOKEN] = HeadraceError(reason, "not now", retry_after_seconds=3)
    response = await gateway.client.post("/oauth2/token", data={"grant_type": "x"})
    assert (response.status_code, response.headers["retry-after"]) == (status, "3")
    assert response.json() == {"error": error, "error_description": "not now"}
    assert gateway.events.exchanges[0].outcome is Outcome.FAILED


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/oauth2/token", "/oauth2/introspect"])
async def test_applications_wait_where_strangers_do(path: str) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        begun.set()
        await over.wait()
        yield b"a=1"

    async with running_gateway(maximum_logins_in_flight=1) as gateway:
        headers = {"content-type": FORM}
        slow = asyncio.create_task(gateway.client.post(path, content=slow_body(), headers=headers))
        await begun.wait()
        assert (await gateway.client.post("/oauth2/revoke", data={"a": "1"})).status_code == 503
        assert (await gateway.client.get("/v1/models")).status_code == 200
        over.set()
        assert (await slow).status_code != 503


async def test_the_document_tells_where_the_endpoints_are(gateway: Gateway) -> None:
    gateway.accounts.answers[METADATA] = AccountAnswer({"metadata_json": '{"issuer": "https://h"}'})
    response = await gateway.client.get(DOCUMENT)
    assert response.json() == {"issuer": "https://h"}
    assert response.headers["cache-control"] == f"public, max-age={CACHE_SECONDS}"
    await gateway.client.get(DOCUMENT)
    assert len(gateway.accounts.calls) == 1


async def test_the_document_is_asked_for_again_and_outlives_an_outage(gateway: Gateway) -> None:
    answers = gateway.accounts.answers
    gateway.accounts.unavailable = True
    assert (await gateway.client.get(DOCUMENT)).status_code == 503
    gateway.accounts.unavailable = False
    for number in range(2):
        answers[METADATA] = AccountAnswer({"metadata_json": f'{{"n": {number}}}'})
        assert (await gateway.client.get(DOCUMENT)).json() == {"n": number}
        gateway.clock.advance(CACHE_SECONDS)
    gateway.accounts.unavailable = True
    for _ in range(3):
        assert (await gateway.client.get(DOCUMENT)).json() == {"n": 1}


async def test_the_description_of_the_api_has_the_endpoints(gateway: Gateway) -> None:
    paths = (await gateway.client.get("/openapi.json")).json()["paths"]
    for endpoint in ENDPOINTS:
        [content] = paths[endpoint.path]["post"]["requestBody"]["content"]
        assert content == FORM
        assert paths[endpoint.path]["post"]["security"] == []
    assert set(paths["/oauth2/authorize"]) == {"get", "post"}
    assert DOCUMENT in paths
