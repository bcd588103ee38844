"""A third-party application built on Authlib, from its registration to the end of its tokens."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from tests.stack.audit import row_where
from tests.stack.consent import consent, open_form, parameters_of, send_form

from headrace_local.access import Access
from headrace_local.components import MODEL_ID
from headrace_local.stack import Stack

REDIRECT = "https://notebook.example/callback"
SCOPE = "account:read models:read"
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


async def test_a_person_allows_an_application_which_is_robbed(
    stack: Stack,
    browser: httpx.AsyncClient,
    administrator: dict[str, str],
    metadata: dict[str, Any],
    access: Access,
    trust: ssl.SSLContext,
) -> None:
    client_id, secret = await register(
        browser,
        administrator,
        name="Notebook",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        scopes=SCOPE.split(),
    )
    verifier = generate_token(64)
    async with AsyncOAuth2Client(
        client_id, secret, scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256",
        base_url=access.url, verify=trust, timeout=60, trust_env=False,
    ) as app:  # fmt: skip
        url, state = app.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier
        )
        form = await open_form(browser, url)
        wrong = await send_form(browser, form, "allow", email=access.email, password="wrong")
        assert (wrong.status_code, "Wrong e-mail address" in wrong.text) == (403, True)
        denied = parameters_of(await _decide(browser, url, access, "deny"))
        assert (denied["error"], denied["state"]) == ("access_denied", state)

        location = await _decide(browser, url, access, "allow")
        assert parameters_of(location)["iss"] == metadata["issuer"]
        token = await app.fetch_token(
            metadata["token_endpoint"],
            authorization_response=location,
            code_verifier=verifier,
            state=state,
        )
        assert token["scope"] == SCOPE
        models = await app.get("/v1/models")
        assert [each["id"] for each in models.json()["data"]] == [MODEL_ID]
        assert (await app.get("/api/v1/auth/me")).json()["email"] == access.email
        assert (await app.get("/api/v1/auth/sessions")).status_code == 403
        listed = (await browser.get("/api/v1/auth/sessions", headers=administrator)).json()
        assert client_id in {session["client_id"] for session in listed["data"]}

        renewed = await app.refresh_token(metadata["token_endpoint"])
        assert (await app.get("/v1/models")).status_code == 200
        with pytest.raises(OAuthError) as caught:
            await app.refresh_token(
                metadata["token_endpoint"], refresh_token=token["refresh_token"]
            )
        assert caught.value.error == "invalid_grant"
        for dead in (token["access_token"], renewed["access_token"]):
            headers = {"authorization": f"Bearer {dead}"}
            assert (await browser.get("/v1/models", headers=headers)).status_code == 401
        with pytest.raises(OAuthError):
            await app.refresh_token(
                metadata["token_endpoint"], refresh_token=renewed["refresh_token"]
            )
    await _check_audit(stack, client_id)


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


async def _decide(browser: httpx.AsyncClient, url: str, access: Access, decision: str) -> str:
    return await consent(
        browser, url, email=access.email, password=access.password, decision=decision
    )


async def _check_audit(stack: Stack, client_id: str) -> None:
    """Who allowed what, and that it was robbed."""
    allowed = await row_where(
        stack,
        "operation = 'POST /oauth2/authorize' AND resource = $1 AND user_id IS NOT NULL",
        f"client:{client_id}",
    )
    assert allowed["outcome"] == "succeeded"
    reused = await row_where(stack, "operation = 'refresh_token_reused'")
    assert reused["user_id"] == allowed["user_id"]
