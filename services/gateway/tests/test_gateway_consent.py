"""The consent page: what it shows, what it sends, and what a browser may do with it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.domain.principal import Principal
from headrace_gateway.http.consent_page import ConsentPages
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import KEY, Gateway, running_gateway
from headrace_gateway.testing.pages import Page

PATH = "/oauth2/authorize"
CHECK, ALLOW, DENY, LOOK_UP = (
    f"OAuthService/{name}"
    for name in ("CheckAuthorization", "AllowClient", "DenyClient", "GetAuthorization")
)
ID = "an-authorization-id"
LOCATION = "https://app.example/callback?tenant=1&code=c&state=s&iss=https%3A%2F%2Fheadrace.test"
QUESTION: dict[str, Any] = {
    "authorization_id": ID,
    "client_id": "web",
    "client_name": "Web & <b>application</b>",
    "organization_name": "acme's",
    "scopes": ["llm:invoke", "new:scope"],
    "redirect_uri": "https://app.example/callback",
}
PERSON = Principal("", "user_1", "org_1", frozenset())
YES = {
    "authorization_id": ID,
    "decision": "allow",
    "email": "ada@acme.test",
    "password": "pass word+&=é",
    "code": "",
}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        answers = running.accounts.answers
        answers[CHECK] = AccountAnswer({"authorization": QUESTION, "location": None})
        answers[LOOK_UP] = AccountAnswer({"authorization": QUESTION})
        answers[ALLOW] = AccountAnswer({"location": LOCATION, "client_id": "web"}, PERSON)
        answers[DENY] = AccountAnswer({"location": LOCATION, "client_id": "web"})
        running.client.headers.pop("authorization")
        yield running


async def test_the_page_names_the_application_and_asks_for_a_login(gateway: Gateway) -> None:
    response = await gateway.client.get(f"{PATH}?client_id=web&state=a%20b")
    page = Page(response.text)
    assert response.status_code == 200
    assert "Web & <b>application</b>" in page.text
    assert "acme's" in page.text
    assert "send prompts to models" in page.text
    assert "new:scope" in page.text
    assert "app.example" in page.text
    [form] = page.forms
    assert (form.method, form.action) == ("post", PATH)
    assert form.fields == {"authorization_id": ID, "email": "", "password": "", "code": ""}
    assert form.buttons == {"decision": ["allow", "deny"]}
    assert gateway.accounts.calls == [(CHECK, {"query": b"client_id=web&state=a%20b"})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.resource) == (Activity.SESSION, "client:web")


async def test_pages_run_nothing_and_may_be_framed_and_kept_by_nobody(gateway: Gateway) -> None:
    posted = await gateway.client.post(PATH, data=YES)
    gateway.accounts.answers[CHECK] = HeadraceError(Reason.INVALID_FIELD, "client_id: none")
    failed = await gateway.client.get(PATH)
    gateway.accounts.answers[CHECK] = AccountAnswer({"authorization": QUESTION, "location": None})
    for response in (await gateway.client.get(PATH), posted, failed):
        policy = dict(
            part.strip().split(" ", 1)
            for part in response.headers["content-security-policy"].split(";")
        )
        style = policy.pop("style-src")
        assert policy == {
            "default-src": "'none'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert style.startswith("'sha256-")
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert not {"script", "img", "link", "iframe"} & set(Page(response.text).tags)
        assert "style=" not in response.text


async def test_a_yes_leads_back_to_the_application_and_is_recorded(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, data=YES)
    page = Page(response.text)
    assert response.status_code == 200
    assert (page.refresh, page.links, page.forms) == (LOCATION, [LOCATION], [])
    sent = {name: value for name, value in YES.items() if name != "decision"}
    assert gateway.accounts.calls == [(ALLOW, sent)]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.principal) == (Activity.LOGIN, PERSON)
    assert (exchange.resource, exchange.outcome) == ("client:web", Outcome.SUCCEEDED)


async def test_a_no_needs_no_login(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, data={**YES, "decision": "deny"})
    assert Page(response.text).refresh == LOCATION
    assert gateway.accounts.calls == [(DENY, {"authorization_id": ID})]
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.resource) == (Activity.LOGIN, "client:web")


async def test_a_wrong_request_is_told_to_the_person_who_may_go_back(gateway: Gateway) -> None:
    location = (
        "https://app.example/a;b~c?error_description=mine&error=invalid_scope"
        "&error_description=no+such+%3Cscope%3E&state=%0D%0A"
    )
    gateway.accounts.answers[CHECK] = AccountAnswer({"authorization": None, "location": location})
    response = await gateway.client.get(PATH)
    page = Page(response.text)
    assert response.status_code == 400
    assert "asked in a wrong way: no such <scope>." in page.text
    assert "app.example" in page.text
    assert (page.links, page.forms) == ([location], [])
    # By itself nothing leaves: nobody has logged in, and anybody could have made this link.
    assert "location" not in response.headers
    assert "refresh" not in response.headers
    assert page.refresh == ""


async def test_a_failed_login_asks_again_with_the_one_message(gateway: Gateway) -> None:
    failure = HeadraceError(Reason.LOGIN_FAILED, "Wrong e-mail address, password or code.")
    gateway.accounts.answers[ALLOW] = failure
    response = await gateway.client.post(PATH, data={**YES, "email": '"><script>'})
    page = Page(response.text)
    assert response.status_code == 403
    assert "www-authenticate" not in response.headers
    assert "Wrong e-mail address, password or code." in page.text
    [form] = page.forms
    assert form.fields == {
        "authorization_id": ID,
        "email": '"><script>',
        "password": "",
        "code": "",
    }
    assert YES["password"] not in response.text
    [exchange] = gateway.events.exchanges
    assert (exchange.outcome, exchange.error) == (Outcome.REFUSED, failure)


@pytest.mark.parametrize("missing", ["email", "password"])
async def test_a_yes_without_a_login_asks_again_whatever_token_comes_with_it(
    gateway: Gateway, missing: str
) -> None:
    response = await gateway.client.post(
        PATH, data={**YES, missing: ""}, headers={"authorization": f"Bearer {KEY}"}
    )
    assert response.status_code == 403
    assert "Type your e-mail address and your password." in Page(response.text).text
    assert gateway.accounts.calls == [(LOOK_UP, {"authorization_id": ID})]


async def test_a_second_factor_is_asked_for(gateway: Gateway) -> None:
    gateway.accounts.answers[ALLOW] = HeadraceError(Reason.SECOND_FACTOR_REQUIRED, "code")
    response = await gateway.client.post(PATH, data=YES)
    assert "<details open>" in response.text
    assert "second factor" in response.text
    assert "<details open>" not in (await gateway.client.get(PATH)).text


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (Reason.LOGIN_THROTTLED, 429, "the message"),
        (Reason.PERMISSION_DENIED, 403, "the message"),
        (Reason.INVALID_FIELD, 400, "the message"),
        (Reason.CREDENTIAL_MISSING, 403, "Type your e-mail address and your password."),
        (Reason.QUEUE_FULL, 503, "Try again in a moment."),
        (Reason.DEPENDENCY_UNAVAILABLE, 503, "Try again in a moment."),
    ],
)
async def test_every_failure_is_told_on_the_page(
    gateway: Gateway, reason: Reason, status: int, words: str
) -> None:
    gateway.accounts.answers[ALLOW] = HeadraceError(reason, "the message", retry_after_seconds=7)
    response = await gateway.client.post(PATH, data=YES)
    assert (response.status_code, response.headers["retry-after"]) == (status, "7")
    assert words in Page(response.text).text
    assert Page(response.text).forms


async def test_an_answered_question_is_gone(gateway: Gateway) -> None:
    gone = HeadraceError(Reason.RESOURCE_NOT_FOUND, "There is no such authorization request.")
    gateway.accounts.answers[ALLOW] = gateway.accounts.answers[LOOK_UP] = gone
    response = await gateway.client.post(PATH, data=YES)
    page = Page(response.text)
    assert (response.status_code, page.forms, page.refresh) == (404, [], "")
    assert "has been answered already" in page.text


async def test_what_is_wrong_with_the_link_is_told_to_the_person(gateway: Gateway) -> None:
    gateway.accounts.answers[CHECK] = HeadraceError(Reason.INVALID_FIELD, "client_id: <none>")
    response = await gateway.client.get(f"{PATH}?redirect_uri=https://evil.example")
    page = Page(response.text)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert (page.forms, page.links, page.refresh) == ([], [], "")
    assert "client_id: <none>" in page.text


async def test_an_outage_is_told_on_a_page(gateway: Gateway) -> None:
    gateway.accounts.unavailable = True
    for response in (await gateway.client.get(PATH), await gateway.client.post(PATH, data=YES)):
        assert response.status_code == 503
        assert "Try again in a moment." in Page(response.text).text
        assert response.headers["retry-after"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"decision=allow",
        b"authorization_id=a&decision=perhaps",
        b"authorization_id=a&authorization_id=b&decision=allow",
        b"authorization_id=a&decision=allow&decision=deny",
        b"authorization_id=a&decision=allow&scope=platform%3Awrite",
        b"authorization_id=%ff&decision=allow",
        b"authorization_id=a&decision=allow&password=" + b"x" * 1025,
    ],
)
async def test_other_forms_are_refused_and_recorded(gateway: Gateway, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await gateway.client.post(PATH, content=body, headers=headers)
    assert response.status_code == 400
    assert gateway.accounts.calls == []
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.outcome) == (Activity.LOGIN, Outcome.REFUSED)


async def test_only_a_form_is_an_answer(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, json=YES)
    assert response.status_code == 400
    assert gateway.accounts.calls == []


async def test_a_body_beyond_bounds_is_refused(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, data={**YES, "code": "x" * 70_000})
    assert response.status_code == 413
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("redirect_uri", "words"),
    [
        ("https://app.example:8443/callback", "app.example:8443"),
        ("https://app.example?tenant=1", "app.example."),
        ("http://127.0.0.1:49152/callback", "a program on this computer"),
        ("http://[::1]/callback", "a program on this computer"),
        ("com.example.app:/callback", "an app on this device (com.example.app)"),
    ],
)
def test_the_page_says_where_the_answer_goes(redirect_uri: str, words: str) -> None:
    response = ConsentPages().question({**QUESTION, "redirect_uri": redirect_uri})
    assert words in Page(bytes(response.body).decode()).text


@given(st.text(), st.text(), st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_no_text_becomes_markup(name: str, email: str, message: str, scopes: list[str]) -> None:
    asked = {**QUESTION, "client_name": name, "organization_name": name, "scopes": scopes}
    response = ConsentPages().question(asked, email=email, message=message)
    page = Page(bytes(response.body).decode())
    usual = ConsentPages().question({**QUESTION, "scopes": scopes}, message=message)
    assert page.tags == Page(bytes(usual.body).decode()).tags
    assert page.forms[0].action == PATH


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_no_location_escapes_its_attribute(text: str) -> None:
    location = f"https://app.example/{text}"
    for make in (ConsentPages().way_back, ConsentPages().wrong_request):
        page = Page(bytes(make(location).body).decode())
        assert page.links == [location]
        assert page.tags == Page(bytes(make(LOCATION).body).decode()).tags
