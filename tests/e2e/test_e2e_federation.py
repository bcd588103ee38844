"""A login through a real OpenID Connect provider, walked from end to end by a plain HTTP client."""

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.stack.audit import row_where
from tests.stack.openid_provider import put_user, running_openid_provider

from headrace_local.stack import Stack
from headrace_local.testing import temporary_stack

FRONT_END = "https://app.acme.test/welcome?from=login"
ADA, BOB = "ada|1", "bob|2"
HOSTILE = {
    "x-forwarded-host": "evil.test",
    "x-forwarded-proto": "http",
    "x-forwarded-prefix": "/evil",
    "forwarded": "host=evil.test;proto=http",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of its own that knows a provider, with the echo engine."""
    with running_openid_provider(registered=False) as issuer:
        put_user(issuer, ADA, email="ada@people.test", email_verified=True, name="Ada Lovelace")
        put_user(issuer, BOB, email="bob@people.test", email_verified=False)
        provider = {
            "kind": "oidc",
            "issuer": issuer,
            "client_id": "headrace",
            "client_secret": secrets.token_urlsafe(),
        }
        auth = {
            "identity_providers": json.dumps({"mock": provider}),
            "federation_redirect_uris": json.dumps([FRONT_END]),
            "registration": "open",
        }
        with temporary_stack(engine="echo", settings={"auth": auth}) as running:
            yield running


class Browser:
    """A plain HTTP client that follows no redirect, and remembers each URL that it saw."""

    def __init__(self, stack: Stack) -> None:
        trust = ssl.create_default_context(cafile=stack.access.ca_file)
        self.client = httpx.Client(
            base_url=stack.access.url, verify=trust, trust_env=False, timeout=60
        )
        self.urls: list[str] = []
        self.verifier = secrets.token_urlsafe(48)
        """What the front end keeps to itself."""

    @property
    def beginning(self) -> dict[str, str]:
        """What the front end begins with."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return {"redirect_uri": FRONT_END, "code_challenge": challenge}

    def get(self, url: str, **arguments: Any) -> httpx.Response:
        return self._seen(self.client.get(url, **arguments))

    def agree(self, url: str, subject: str) -> str:
        """Fill in the provider's form: where it sends the browser then."""
        page = self.get(url)
        assert page.status_code == 200, page.text
        assert 'name="sub"' in page.text
        answer = self._seen(self.client.post(url, data={"sub": subject}))
        assert answer.has_redirect_location, answer.text
        return answer.headers["location"]

    def exchange(self, code: str) -> httpx.Response:
        """What the front end does with the code in its URL."""
        body = {"code": code, "code_verifier": self.verifier}
        return self.client.post("/api/v1/auth/exchange", json=body)

    def _seen(self, response: httpx.Response) -> httpx.Response:
        self.urls += [str(response.request.url), response.headers.get("location", "")]
        return response


@pytest.fixture
def browser(stack: Stack) -> Iterator[Browser]:
    browser = Browser(stack)
    with browser.client:
        yield browser


def _code(landing: httpx.Response) -> str:
    """The login code that the front end finds in its URL."""
    assert landing.status_code == 303, landing.text
    before, _, fragment = landing.headers["location"].partition("#")
    assert before == FRONT_END
    [code] = parse_qs(fragment)["code"]
    return code


def _event(stack: Stack, condition: str, value: str) -> Any:
    return asyncio.run(row_where(stack, condition, value))


def test_from_the_front_end_to_the_provider_and_back_to_a_token(
    stack: Stack, browser: Browser
) -> None:
    begun = browser.get("/oauth2/mock/login", params=browser.beginning, headers=HOSTILE)
    assert begun.status_code == 302, begun.text
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["redirect_uri"] == [f"{stack.access.url}/oauth2/mock/callback"]
    assert query["code_challenge_method"] == ["S256"]
    callback = browser.agree(begun.headers["location"], ADA)
    assert callback.startswith(f"{stack.access.url}/oauth2/mock/callback?")
    landing = browser.get(callback, headers=HOSTILE)
    code = _code(landing)
    answer = browser.exchange(code)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()

    mine = {"authorization": f"Bearer {tokens['access_token']}"}
    models = browser.get("/v1/models", headers=mine)
    assert [each["id"] for each in models.json()["data"]] == [stack.plan.model_id]
    me = browser.get("/api/v1/auth/me", headers=mine).json()
    assert (me["email"], me["name"], me["role"]) == ("ada@people.test", "Ada Lovelace", "owner")

    for secret in (tokens["access_token"], tokens["refresh_token"], browser.verifier):
        assert not any(secret in url for url in browser.urls)
    # The code is in a fragment, which a browser sends to nobody, and nowhere else.
    assert [url for url in browser.urls if code in url] == [f"{FRONT_END}#code={code}"]

    assert browser.get(callback).status_code == 400
    assert browser.exchange(code).status_code == 401
    for step in (begun, landing, answer):
        row = _event(stack, "event_id = $1", step.headers["x-request-id"])
        assert (row["kind"], row["outcome"]) == ("login", "succeeded")
    row = _event(stack, "operation = 'linked_identity.create' AND user_id = $1", me["user_id"])
    assert row["resource"] == f"linked_identity:mock:{ADA}"


def test_a_person_links_another_way_in_and_takes_it_back(stack: Stack, browser: Browser) -> None:
    credentials = {"email": stack.access.email, "password": stack.access.password}
    tokens = browser.client.post("/api/v1/auth/login", json=credentials).json()
    mine = {"authorization": f"Bearer {tokens['access_token']}"}
    path = "/api/v1/auth/identities"
    alone = browser.client.post(f"{path}/mock", json=browser.beginning, headers=mine)
    assert alone.status_code == 400, alone.text
    proven = {**browser.beginning, "password": stack.access.password}
    begun = browser.client.post(f"{path}/mock", json=proven, headers=mine)
    assert begun.status_code == 200, begun.text
    landing = browser.get(browser.agree(begun.json()["authorization_url"], BOB))
    assert browser.get(path, headers=mine).json()["data"] == []
    linked = browser.exchange(_code(landing)).json()["identity"]
    assert (linked["provider"], linked["subject"]) == ("mock", BOB)
    assert browser.get(path, headers=mine).json()["data"] == [linked]
    unlink = {"subject": BOB, "password": "wrong"}
    alone = browser.client.post(f"{path}/mock/unlink", json=unlink, headers=mine)
    assert alone.status_code == 401, alone.text
    unlink["password"] = stack.access.password
    gone = browser.client.post(f"{path}/mock/unlink", json=unlink, headers=mine)
    assert gone.status_code == 200, gone.text
    assert browser.get(path, headers=mine).json()["data"] == []
    # Whom the provider does not vouch for with a verified address is no stranger's guest, either.
    begun = browser.get("/oauth2/mock/login", params=browser.beginning)
    landing = browser.get(browser.agree(begun.headers["location"], BOB))
    assert landing.headers["location"] == f"{FRONT_END}#error=email_not_verified"
