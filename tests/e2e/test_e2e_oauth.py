"""A third-party application built on Authlib, from its registration to the end of its tokens."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from tests.e2e.notebook import REDIRECT, REGISTRATION, SCOPE, Notebook
from tests.stack.audit import row_where
from tests.stack.consent import parameters_of

from headrace_local.access import Access
from headrace_local.components import MODEL_ID
from headrace_local.stack import Stack

DOCUMENT = "/.well-known/oauth-authorization-server"


@pytest.fixture
async def browser(access: Access, trust: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a credential."""
    async with httpx.AsyncClient(
        base_url=access.url, verify=trust, timeout=60, trust_env=False
    ) as client:
        yield client


@pytest.fixture
async def administrator(browser: httpx.AsyncClient, access: Access) -> dict[str, str]:
    """Headers of the administrator, logged in."""
    credentials = {"email": access.email, "password": access.password}
    answer = await browser.post("/api/v1/auth/login", json=credentials)
    return {"authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


@pytest.fixture
async def metadata(browser: httpx.AsyncClient, access: Access) -> dict[str, Any]:
    """All that an application has to know of us."""
    answer = await browser.get(DOCUMENT)
    assert "max-age" in answer.headers["cache-control"]
    found: dict[str, Any] = answer.json()
    assert found["issuer"] == access.url
    return found


async def register(
    browser: httpx.AsyncClient, administrator: dict[str, str], **wanted: Any
) -> tuple[str, str]:
    """Id and secret of a new application."""
    made = await browser.post("/api/v1/oauth-clients", json=wanted, headers=administrator)
    assert made.status_code == 201, made.text
    assert made.json()["secret"].startswith("hrc_")
    return made.json()["id"], made.json()["secret"]


@pytest.fixture
async def notebook(
    browser: httpx.AsyncClient,
    administrator: dict[str, str],
    metadata: dict[str, Any],
    access: Access,
    trust: ssl.SSLContext,
) -> AsyncIterator[Notebook]:
    """An application that has just been registered, and whom nobody has allowed anything."""
    client_id, secret = await register(browser, administrator, **REGISTRATION)
    async with AsyncOAuth2Client(
        client_id, secret, scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256",
        base_url=access.url, verify=trust, timeout=60, trust_env=False,
    ) as app:  # fmt: skip
        yield Notebook(app, browser, metadata, access)


async def test_a_person_may_mistype_and_may_say_no(notebook: Notebook) -> None:
    url, state, _ = notebook.ask()
    wrong = await notebook.answer_with(url, "wrong")
    assert (wrong.status_code, "Wrong e-mail address" in wrong.text) == (403, True)
    denied = parameters_of(await notebook.answer(url, "deny"))
    assert (denied["error"], denied["state"]) == ("access_denied", state)


async def test_an_application_may_what_a_person_allowed_and_no_more(
    notebook: Notebook, stack: Stack, administrator: dict[str, str]
) -> None:
    token = await notebook.get_allowed()
    assert token["scope"] == SCOPE
    models = await notebook.app.get("/v1/models")
    assert MODEL_ID in [each["id"] for each in models.json()["data"]]
    me = await notebook.app.get("/api/v1/auth/me")
    assert me.json()["email"] == notebook.access.email
    assert (await notebook.app.get("/api/v1/auth/sessions")).status_code == 403
    listed = await notebook.browser.get("/api/v1/auth/sessions", headers=administrator)
    client_id = notebook.app.client_id
    assert client_id in {session["client_id"] for session in listed.json()["data"]}
    allowed = await row_where(
        stack,
        "operation = 'POST /oauth2/authorize' AND resource = $1 AND user_id IS NOT NULL",
        f"client:{client_id}",
    )
    assert allowed["outcome"] == "succeeded"


async def test_a_robbed_application_loses_all_that_it_got(notebook: Notebook, stack: Stack) -> None:
    first = await notebook.get_allowed()
    person = (await notebook.app.get("/api/v1/auth/me")).json()["user_id"]
    renewed = await notebook.refresh(first)
    assert (await notebook.app.get("/v1/models")).status_code == 200
    with pytest.raises(OAuthError) as caught:
        await notebook.refresh(first)
    assert caught.value.error == "invalid_grant"
    assert [await notebook.status_of(token) for token in (first, renewed)] == [401, 401]
    with pytest.raises(OAuthError):
        await notebook.refresh(renewed)
    reused = await row_where(stack, "operation = 'refresh_token_reused'")
    assert reused["user_id"] == person


async def test_a_machine_gets_asks_about_and_revokes_its_token(
    browser: httpx.AsyncClient,
    administrator: dict[str, str],
    metadata: dict[str, Any],
    access: Access,
    trust: ssl.SSLContext,
) -> None:
    made = await browser.post(
        "/api/v1/service-accounts", json={"name": "machine"}, headers=administrator
    )
    user_id = made.json()["id"]
    client_id, secret = await register(
        browser,
        administrator,
        name="Machine",
        grant_types=["client_credentials"],
        scopes=["models:read", "keys:read"],
        service_user_id=user_id,
    )
    async with AsyncOAuth2Client(
        client_id, secret, base_url=access.url, verify=trust, timeout=60, trust_env=False
    ) as app:
        token = await app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        # A service account reads no keys, whatever its application may.
        assert token["scope"] == "models:read"
        assert (await app.get("/v1/models")).status_code == 200
        introspect, revoke = metadata["introspection_endpoint"], metadata["revocation_endpoint"]
        told = (await app.introspect_token(introspect, token=token["access_token"])).json()
        assert (told["active"], told["sub"], told["client_id"]) == (True, user_id, client_id)
        answer = await app.revoke_token(revoke, token=token["access_token"])
        assert answer.status_code == 200
        assert (await app.get("/v1/models")).status_code == 401
        told = (await app.introspect_token(introspect, token=token["access_token"])).json()
        assert told == {"active": False}

        await app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert (await app.get("/v1/models")).status_code == 200
        path = f"/api/v1/oauth-clients/{client_id}"
        assert (await browser.delete(path, headers=administrator)).status_code == 200
        assert (await app.get("/v1/models")).status_code == 401
