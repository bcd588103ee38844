"""Where links in mails lead without a front end: what the pages say, and what they never do."""

import json
import re
from collections.abc import AsyncIterator

import pytest

from headrace_gateway.http.accounts import accounts, sessions
from headrace_gateway.http.link_pages import PAGES
from headrace_gateway.testing.gateway import Gateway, running_gateway
from headrace_gateway.testing.pages import Page

ROUTES = {(each.method, each.path): each for each in (*accounts.ROUTES, *sessions.ROUTES)}
REQUEST = re.compile(
    r"(POST) (\S+)\nContent-Type: application/json\n([^\n]*\n)?\n(\{.*?\n\})", re.S
)
PATHS = [each.path for each in PAGES]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        running.client.headers.pop("authorization")
        yield running


async def _calls(gateway: Gateway, path: str) -> dict[str, tuple[dict[str, str], bool]]:
    """By path: the fields of the calls that a page names, and whether with a credential."""
    text = Page((await gateway.client.get(path)).text).text
    return {
        found[2]: (json.loads(found[4]), "Authorization" in (found[3] or ""))
        for found in REQUEST.finditer(text)
    }


async def test_a_verification_link_says_which_call_takes_its_token(gateway: Gateway) -> None:
    calls = await _calls(gateway, "/verify-email")
    [(fields, with_credential)] = calls.values()
    assert list(calls) == ["/api/v1/auth/email/verify"]
    assert (fields["token"], with_credential) == ("the token", False)


async def test_an_invitation_says_both_ways_to_take_it(gateway: Gateway) -> None:
    calls = await _calls(gateway, "/invitation")
    fields, with_credential = calls["/api/v1/auth/register"]
    assert fields == {"email": "...", "password": "...", "invitation_token": "the token"}
    assert not with_credential
    fields, with_credential = calls["/api/v1/auth/invitations/accept"]
    assert (fields, with_credential) == ({"token": "the token", "password": "..."}, True)


async def test_who_is_to_log_in_hears_of_a_new_password_too(gateway: Gateway) -> None:
    assert list(await _calls(gateway, "/login")) == [
        "/api/v1/auth/login",
        "/api/v1/auth/password/forgot",
    ]
    assert list(await _calls(gateway, "/reset-password")) == ["/api/v1/auth/password/reset"]


@pytest.mark.parametrize("path", PATHS)
async def test_what_a_page_shows_is_what_the_call_takes(gateway: Gateway, path: str) -> None:
    calls = await _calls(gateway, path)
    assert calls
    for place, (fields, with_credential) in calls.items():
        route = ROUTES["POST", place]
        assert route.body is not None
        known = route.body.model_fields
        assert {name for name, field in known.items() if field.is_required()} <= set(fields)
        assert set(fields) <= set(known)
        assert with_credential is not route.open


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_tells_of_a_code_where_a_call_takes_one(gateway: Gateway, path: str) -> None:
    bodies = [ROUTES["POST", place].body for place in await _calls(gateway, path)]
    takers = [body for body in bodies if body is not None and "code" in body.model_fields]
    text = Page((await gateway.client.get(path)).text).text
    assert text.count("With a second factor") == len(takers)
    assert bool(takers) is (path in ("/invitation", "/login"))


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_runs_loads_keeps_and_repeats_nothing(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(
        f"{path}?token=hrv_canary",
        headers={"host": "evil.example", "referer": "https://evil.example"},
    )
    assert response.status_code == 200
    page = Page(response.text)
    assert not {"script", "link", "img", "iframe", "form", "input", "base"} & set(page.tags)
    assert page.links == ["/docs"]
    assert "canary" not in response.text
    assert "evil" not in response.text
    headers = response.headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'none'" in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert gateway.accounts.calls == []


async def test_the_pages_are_no_part_of_the_api(gateway: Gateway) -> None:
    paths = (await gateway.client.get("/openapi.json")).json()["paths"]
    assert not set(PATHS) & set(paths)
