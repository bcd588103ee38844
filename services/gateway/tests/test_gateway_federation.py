"""Browsers on their way to an identity provider and back: redirects, records, hostile requests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import MemoryAccounts
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import PRINCIPAL, Gateway, running_gateway

START = "FederationService/StartFederatedLogin"
COMPLETE = "FederationService/CompleteFederatedLogin"
EXCHANGE = "FederationService/ExchangeLoginCode"
AUTHORIZE = "https://provider.test/authorize?state=s&redirect_uri=https%3A%2F%2Fx%2Fy%7Cz"
FRONT_END = "https://app.acme.test/welcome?from=login"
BEGIN = {"redirect_uri": FRONT_END, "code_challenge": "c" * 43}
BACK = {"state": "s" * 43, "code": "provider-code"}
LOGIN_CODE = "hrl_" + "x" * 49


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        running.accounts.answers[START] = AccountAnswer({"authorization_url": AUTHORIZE})
        running.accounts.answers[COMPLETE] = _landing(login_code=LOGIN_CODE)
        running.client.headers.pop("authorization")
        yield running


def _landing(*, login_code: str = "", error: str = "") -> AccountAnswer:
    fields = {"redirect_uri": FRONT_END, "login_code": login_code, "error": error}
    return AccountAnswer(fields)


async def test_the_browser_is_sent_to_the_provider(gateway: Gateway) -> None:
    response = await gateway.client.get("/oauth2/acme/login", params=BEGIN)
    assert (response.status_code, response.headers["location"]) == (302, AUTHORIZE)
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == (
        "no-store",
        "no-referrer",
    )
    assert response.content == b""
    assert gateway.accounts.calls == [(START, {"provider": "acme", **BEGIN})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.outcome) == (Activity.LOGIN, Outcome.SUCCEEDED)
    assert exchange.operation == "GET /oauth2/{provider}/login"


async def test_the_browser_comes_back_with_a_code_in_the_fragment(gateway: Gateway) -> None:
    response = await gateway.client.get("/oauth2/acme/callback", params=BACK)
    assert response.status_code == 303
    assert response.headers["location"] == f"{FRONT_END}#code={LOGIN_CODE}"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in response.headers
    assert gateway.accounts.calls == [(COMPLETE, {"provider": "acme", **BACK, "error": ""})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.outcome) == (Activity.LOGIN, Outcome.SUCCEEDED)
    assert LOGIN_CODE not in repr(exchange)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        ("password_account", Outcome.REFUSED, Reason.LOGIN_FAILED),
        ("temporarily_unavailable", Outcome.FAILED, Reason.DEPENDENCY_UNAVAILABLE),
    ],
)
async def test_a_refusal_goes_to_the_front_end_and_is_recorded_as_one(
    gateway: Gateway, error: str, outcome: Outcome, reason: Reason
) -> None:
    gateway.accounts.answers[COMPLETE] = _landing(error=error)
    response = await gateway.client.get(
        "/oauth2/acme/callback", params={"state": "s", "error": "access_denied", "iss": "x"}
    )
    assert response.status_code == 303
    assert response.headers["location"] == f"{FRONT_END}#error={error}"
    [exchange] = gateway.events.exchanges
    assert exchange.outcome is outcome
    assert exchange.error is not None
    assert exchange.error.reason is reason


async def test_an_unknown_state_is_an_error_and_no_redirect(gateway: Gateway) -> None:
    gateway.accounts.answers[COMPLETE] = HeadraceError(
        Reason.INVALID_FIELD, "state: not valid", param="state"
    )
    response = await gateway.client.get("/oauth2/acme/callback", params=BACK)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert response.json()["error"]["param"] == "state"
    assert gateway.events.exchanges[0].outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("path", "answer", "status"),
    [
        ("/oauth2/nobody/login", HeadraceError(Reason.RESOURCE_NOT_FOUND, "No."), 404),
        ("/oauth2/acme/login", HeadraceError(Reason.INVALID_FIELD, "No."), 400),
        ("/oauth2/acme/login", HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "No."), 503),
    ],
)
async def test_a_login_that_does_not_begin_sends_nobody_anywhere(
    gateway: Gateway, path: str, answer: HeadraceError, status: int
) -> None:
    gateway.accounts.answers[START] = answer
    response = await gateway.client.get(path, params=BEGIN)
    assert response.status_code == status
    assert "location" not in response.headers


@pytest.mark.parametrize(
    "query",
    [
        "",
        "redirect_uri=https://x.test",
        f"redirect_uri=&code_challenge={'c' * 43}",
        f"redirect_uri=x&code_challenge={'c' * 43}&code_challenge_method=plain",
        f"redirect_uri=x&redirect_uri=y&code_challenge={'c' * 43}",
        f"redirect_uri={'x' * 2049}&code_challenge={'c' * 43}",
        f"redirect_uri=x&code_challenge={'c' * 129}",
    ],
)
async def test_a_bad_beginning_asks_nobody(gateway: Gateway, query: str) -> None:
    response = await gateway.client.get(f"/oauth2/acme/login?{query}")
    assert response.status_code == 400
    assert gateway.accounts.calls == []
    assert gateway.events.exchanges[0].outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "state=&code=x",
        "state=a&state=b&code=x",
        "state=a&code=x&code=y",
        "state=a&code=x&error=a&error=b",
        f"state={'a' * 201}&code=x",
        f"state=a&code={'x' * 4097}",
        f"state=a&error={'x' * 201}",
    ],
)
async def test_a_bad_way_back_asks_nobody(gateway: Gateway, query: str) -> None:
    response = await gateway.client.get(f"/oauth2/acme/callback?{query}")
    assert response.status_code == 400
    assert "location" not in response.headers
    assert gateway.accounts.calls == []


@pytest.mark.parametrize("path", ["/oauth2/acme/login", "/oauth2/acme/callback"])
@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "DELETE"])
async def test_browsers_come_by_get(gateway: Gateway, path: str, method: str) -> None:
    response = await gateway.client.request(method, path, params={**BEGIN, **BACK})
    assert response.status_code == 405
    assert gateway.accounts.calls == []


async def test_nothing_of_a_request_is_written_back(gateway: Gateway) -> None:
    canary = "canary<script>"
    hostile = {
        "host": f"{canary}.test",
        "x-forwarded-host": f"{canary}.test",
        "x-forwarded-proto": "http",
        "x-forwarded-prefix": f"/{canary}",
        "forwarded": f"host={canary}",
        "x-original-url": f"/{canary}",
        "referer": f"https://{canary}",
        "origin": f"https://{canary}",
    }
    answers = [
        await gateway.client.get("/oauth2/acme/login", params=BEGIN, headers=hostile),
        await gateway.client.get("/oauth2/acme/callback", params=BACK, headers=hostile),
        await gateway.client.get(
            "/oauth2/acme/login", params={"redirect_uri": canary, "code_challenge": ""}
        ),
        await gateway.client.get(
            "/oauth2/acme/callback", params={**BACK, "error_description": canary, canary: "x"}
        ),
        await gateway.client.get(
            "/oauth2/acme/callback", params={"error": canary, "state": canary * 30}
        ),
    ]
    for answer in answers:
        assert "canary" not in str(answer.headers) + answer.text
    for _, fields in gateway.accounts.calls:
        assert "canary" not in str(fields)


async def test_a_path_can_add_no_header(gateway: Gateway) -> None:
    gateway.accounts.answers[START] = HeadraceError(Reason.RESOURCE_NOT_FOUND, "No.")
    path = "/oauth2/acme%0d%0aset-cookie:%20x=y/login"
    response = await gateway.client.get(path, params=BEGIN)
    assert response.status_code == 404
    assert "set-cookie" not in response.headers


async def test_people_on_their_way_are_strangers_who_must_not_take_all_places() -> None:
    class Waiting(MemoryAccounts):
        def __init__(self) -> None:
            super().__init__()
            self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

        async def call(self, *_: Any) -> AccountAnswer:
            self.arrived.set()
            await self.go_on.wait()
            return AccountAnswer({"authorization_url": AUTHORIZE})

    waiting = Waiting()
    async with running_gateway(accounts=waiting, maximum_logins_in_flight=1) as gateway:
        first = asyncio.create_task(gateway.client.get("/oauth2/acme/login", params=BEGIN))
        await waiting.arrived.wait()
        second = await gateway.client.get("/oauth2/acme/callback", params=BACK)
        assert (second.status_code, second.json()["error"]["code"]) == (503, "queue_full")
        assert (await gateway.client.get("/v1/models")).status_code == 200
        waiting.go_on.set()
        assert (await first).status_code == 302


async def test_an_exchange_brings_tokens_and_is_recorded_with_its_person(gateway: Gateway) -> None:
    tokens = {"access_token": "a.b.c", "token_type": "Bearer"}
    answer = AccountAnswer({"tokens": tokens, "identity": None}, PRINCIPAL)
    gateway.accounts.answers[EXCHANGE] = answer
    body = {"code": LOGIN_CODE, "code_verifier": "v" * 43}
    response = await gateway.client.post("/api/v1/auth/exchange", json=body)
    assert (response.status_code, response.json()) == (200, tokens)
    assert gateway.accounts.calls == [
        (EXCHANGE, {**body, "organization_id": None, "second_factor_code": ""})
    ]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.principal) == (Activity.LOGIN, PRINCIPAL)


async def test_an_exchange_may_finish_linking(gateway: Gateway) -> None:
    identity = {"provider": "acme", "subject": "ada", "email": "", "created_at": None}
    gateway.accounts.answers[EXCHANGE] = AccountAnswer({"tokens": None, "identity": identity})
    body = {"code": LOGIN_CODE, "code_verifier": "v" * 43}
    response = await gateway.client.post("/api/v1/auth/exchange", json=body)
    assert response.json() == {"identity": identity}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": LOGIN_CODE},
        {"code": LOGIN_CODE, "code_verifier": ""},
        {"code": LOGIN_CODE, "code_verifier": "v" * 129},
        {"code": LOGIN_CODE, "code_verifier": ["v" * 43]},
        {"code": LOGIN_CODE, "code_verifier": "v" * 43, "user_id": "somebody"},
        {"code": "x" * 201, "code_verifier": "v" * 43},
    ],
)
async def test_a_bad_exchange_asks_nobody(gateway: Gateway, body: dict[str, Any]) -> None:
    response = await gateway.client.post("/api/v1/auth/exchange", json=body)
    assert response.status_code == 400
    assert gateway.accounts.calls == []


async def test_unlinking_brings_a_subject_of_any_form_and_a_proof() -> None:
    call, path = "FederationService/UnlinkIdentity", "/api/v1/auth/identities/acme/unlink"
    async with running_gateway() as gateway:
        gateway.accounts.answers[call] = AccountAnswer({})
        for proof in ({"password": "", "code": ""}, {"password": "p", "code": "123456"}):
            body = {"subject": "a/b|c/", **proof}
            response = await gateway.client.post(path, json=body)
            assert (response.status_code, response.json()) == (200, {})
            assert gateway.accounts.calls[-1] == (call, {"provider": "acme", **body})
        refused = await gateway.client.post(path, json={})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "subject")


async def test_identities_are_listed_and_linked_by_who_has_logged_in() -> None:
    listed, linked = "FederationService/ListIdentities", "FederationService/LinkIdentity"
    identity = {"provider": "acme", "subject": "ada", "email": "", "created_at": None}
    async with running_gateway() as gateway:
        gateway.accounts.answers[listed] = AccountAnswer({"identities": [identity]})
        gateway.accounts.answers[linked] = AccountAnswer({"authorization_url": AUTHORIZE})
        response = await gateway.client.get("/api/v1/auth/identities")
        assert response.json() == {"data": [identity], "next_page_token": None}
        for proof in ({"password": "", "code": ""}, {"password": "p", "code": "123456"}):
            response = await gateway.client.post(
                "/api/v1/auth/identities/acme", json={**BEGIN, **proof}
            )
            assert response.json() == {"authorization_url": AUTHORIZE}
            asked = {"provider": "acme", **BEGIN, **proof}
            assert gateway.accounts.calls[-1] == (linked, asked)
        assert {exchange.activity for exchange in gateway.events.exchanges} == {Activity.SESSION}
        assert all(exchange.principal == PRINCIPAL for exchange in gateway.events.exchanges)


async def test_the_description_says_that_browsers_need_no_credential(gateway: Gateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    for path in ("login", "callback"):
        operation = document["paths"][f"/oauth2/{{provider}}/{path}"]["get"]
        assert operation["security"] == []
        names = [each["name"] for each in operation["parameters"]]
        assert names[0] == "provider"
        assert len(set(names)) == len(names) >= 4
    unlink = document["paths"]["/api/v1/auth/identities/{provider}/unlink"]["post"]
    assert [each["name"] for each in unlink["parameters"]] == ["provider"]
