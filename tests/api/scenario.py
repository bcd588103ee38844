"""One story that makes every call of the native API once, by people of two organisations."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from pyotp import TOTP
from tests.api.recorder import Recorder
from tests.api.standard_calls import play_standards
from tests.security.world import BOOTSTRAP_TOKEN, running_world

from headrace_auth.adapters.identity_providers.memory import MemoryIdentityProvider
from headrace_auth.domain.directory import Organization
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    MEMBER,
    OUTSIDER,
    OWNER,
    PASSWORD,
    SERVICE,
)
from headrace_auth.testing.federation import ADA as IDENTITY
from headrace_auth.testing.federation import FRONT_END, PROVIDER, VERIFIER, federation_of
from headrace_common.testing.clock import FakeClock

NEW_PASSWORD = "paper lantern river stone"
ADA = "ada@example.org"
AUTH = "/api/v1/auth"
CHALLENGE = s256_challenge(VERIFIER)


@asynccontextmanager
async def played() -> AsyncIterator[Recorder]:
    """All calls, in the order in which they were made, and the world as they left it."""
    clock, provider = FakeClock(), MemoryIdentityProvider()
    async with running_world(
        clock=clock,
        federation=federation_of(provider, MemoryIdentityProvider(), clock),
        federation_redirect_uris=(FRONT_END,),
        registration="open",
        mail_folder="unused",
    ) as world:
        recorder = Recorder(world, provider)
        await _play(recorder)
        await play_standards(recorder)
        yield recorder


async def _play(recorder: Recorder) -> None:
    owner = await _sessions(recorder)
    await _registration(recorder)
    await _passwords(recorder)
    await _second_factor(recorder)
    await _keys(recorder, owner)
    await _applications(recorder, owner)
    await _organizations(recorder, owner)
    await _users(recorder, owner)
    await _limits(recorder, owner)
    await _identities(recorder)
    await _signing_keys(recorder, owner)
    await _bootstrap(recorder)


async def _sessions(recorder: Recorder) -> str:
    call = recorder.call
    login = {"email": MEMBER.email, "password": PASSWORD}
    first = await call("POST", f"{AUTH}/login", body=login)
    body = {"refresh_token": first["refresh_token"]}
    refreshed = await call("POST", f"{AUTH}/refresh", body=body)
    token = refreshed["access_token"]
    me = await call("GET", f"{AUTH}/me", token=token)
    elsewhere = next(
        place["organization_id"]
        for place in me["organizations"]
        if place["organization_id"] != me["organization_id"]
    )
    body = {"organization_id": elsewhere}
    await call("POST", f"{AUTH}/switch", token=token, body=body)
    await recorder.world.token(MEMBER.email)
    sessions = (await call("GET", f"{AUTH}/sessions", token=token))["data"]
    other = next(each for each in sessions if not each["current"])
    path = AUTH + "/sessions/{session_id}"
    await call("DELETE", path, token=token, session_id=other["id"])
    await call("POST", f"{AUTH}/logout", token=token)
    token = await recorder.world.token(MEMBER.email)
    await call("DELETE", f"{AUTH}/sessions", token=token)
    return await recorder.world.token(OWNER.email)


async def _registration(recorder: Recorder) -> None:
    body = {
        "email": ADA,
        "password": NEW_PASSWORD,
        "name": "Ada Lovelace",
        "organization_name": "analytical engines",
    }
    await recorder.call("POST", f"{AUTH}/register", body=body)
    await recorder.call("POST", f"{AUTH}/email/resend", body={"email": ADA})
    proof = {"token": _mailed(recorder, "hrv"), "password": NEW_PASSWORD}
    await recorder.call("POST", f"{AUTH}/email/verify", body=proof)


async def _passwords(recorder: Recorder) -> None:
    await recorder.call("POST", f"{AUTH}/password/forgot", body={"email": ADA})
    body = {"token": _mailed(recorder, "hrp"), "new_password": PASSWORD}
    await recorder.call("POST", f"{AUTH}/password/reset", body=body)
    token = await recorder.world.token(ADA)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await recorder.call("POST", f"{AUTH}/password", token=token, body=body)


async def _second_factor(recorder: Recorder) -> None:
    world, path = recorder.world, f"{AUTH}/second-factor"
    token = await world.token(OUTSIDER.email)
    body = {"password": PASSWORD}
    started = await recorder.call("POST", path, token=token, body=body)
    totp = TOTP(started["secret"])
    body = {"code": totp.at(world.clock.now())}
    await recorder.call("POST", f"{path}/confirm", token=token, body=body)
    for act in ("recovery-codes", "remove"):
        world.clock.advance(30)  # no code counts twice
        body = {"password": PASSWORD, "code": totp.at(world.clock.now())}
        await recorder.call("POST", f"{path}/{act}", token=token, body=body)


async def _keys(recorder: Recorder, owner: str) -> None:
    call = recorder.call
    body = {
        "name": "billing job",
        "scopes": ["llm:invoke"],
        "allowed_models": ["echo"],
        "allowed_networks": ["192.0.2.0/24"],
        "expires_at": "2027-01-01T00:00:00Z",
        "requests_per_minute": 60,
        "budget": {
            "amount_micros": 50_000_000,
            "currency": "EUR",
            "period": "month",
            "time_zone": "Europe/Berlin",
        },
    }
    key = (await call("POST", "/api/v1/keys", token=owner, body=body))["id"]
    body = {"name": "signing job", "signature_algorithm": "hmac-sha256"}
    await call("POST", "/api/v1/keys/signing", token=owner, body=body)
    await call("GET", "/api/v1/keys", token=owner, query={"page_size": 1})
    one = "/api/v1/keys/{api_key_id}"
    await call("GET", one, token=owner, api_key_id=key)
    body = {"requests_per_minute": None, "allowed_networks": []}
    await call("PATCH", one, token=owner, body=body, api_key_id=key)
    await call("POST", one + "/rotate", token=owner, body={"overlap_seconds": 3600}, api_key_id=key)
    await call("DELETE", one, token=owner, api_key_id=key)


async def _applications(recorder: Recorder, owner: str) -> None:
    body = {
        "name": "Dashboards",
        "redirect_uris": ["https://dashboards.example.org/callback"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scopes": ["llm:invoke", "models:read"],
        "service_user_id": SERVICE.user_id,
    }
    made = await recorder.call("POST", "/api/v1/oauth-clients", token=owner, body=body)
    await recorder.call("GET", "/api/v1/oauth-clients", token=owner)
    one = "/api/v1/oauth-clients/{client_id}"
    await recorder.call("POST", one + "/rotate", token=owner, client_id=made["id"])
    await recorder.call("DELETE", one, token=owner, client_id=made["id"])


async def _organizations(recorder: Recorder, owner: str) -> None:
    call = recorder.call
    body = {"name": "initech", "owner_email": "bill@initech.example"}
    await call("POST", "/api/v1/orgs", token=owner, body=body)
    await call("GET", "/api/v1/orgs", token=owner, query={"page_size": 2})
    one = "/api/v1/orgs/{organization_id}"
    await call("GET", one, token=owner, organization_id=ACME)
    await call("PATCH", one, token=owner, body={"name": "acme corp"}, organization_id=ACME)
    tier = {"tier": "premium"}
    await call("PUT", one + "/tier", token=owner, body=tier, organization_id=ACME)
    team = await call("POST", "/api/v1/teams", token=owner, body={"name": "research"})
    await call("GET", "/api/v1/teams", token=owner)
    one = "/api/v1/teams/{team_id}"
    await call("PATCH", one, token=owner, body={"name": "discovery"}, team_id=team["id"])
    await call("DELETE", one, token=owner, team_id=team["id"])
    await call("GET", "/api/v1/roles", token=owner)


async def _users(recorder: Recorder, owner: str) -> None:
    call = recorder.call
    body = {"email": ADA, "role": "member"}
    await call("POST", "/api/v1/invitations", token=owner, body=body)
    await call("GET", "/api/v1/invitations", token=owner)
    ada = await recorder.world.token(ADA, NEW_PASSWORD)
    body = {"token": _mailed(recorder, "hri"), "password": NEW_PASSWORD}
    await call("POST", f"{AUTH}/invitations/accept", token=ada, body=body)
    body = {"email": "eve@example.org", "role": "auditor"}
    unwanted = await call("POST", "/api/v1/invitations", token=owner, body=body)
    one = "/api/v1/invitations/{invitation_id}"
    await call("DELETE", one, token=owner, invitation_id=unwanted["id"])
    await call("GET", "/api/v1/users", token=owner, query={"page_size": 2})
    one = "/api/v1/users/{user_id}"
    user_id = MEMBER.user_id
    await call("GET", one, token=owner, user_id=user_id)
    await call("PATCH", one, token=owner, body={"role": "auditor"}, user_id=user_id)
    await call("DELETE", one + "/sessions", token=owner, user_id=user_id)
    await call("POST", one + "/disable", token=owner, user_id=user_id)
    await call("POST", one + "/enable", token=owner, user_id=user_id)
    await call("DELETE", one, token=owner, user_id=user_id)
    await call("POST", "/api/v1/service-accounts", token=owner, body={"name": "nightly jobs"})


async def _limits(recorder: Recorder, owner: str) -> None:
    call = recorder.call
    subject = {"subject": "user", "subject_id": ADMIN.user_id}
    kind = {"kind": "requests_per_minute"}
    await call("PUT", "/api/v1/limits", token=owner, body={**subject, **kind, "amount": 120})
    await call("GET", "/api/v1/limits", token=owner, query=subject)
    await call("DELETE", "/api/v1/limits", token=owner, query={**subject, **kind})
    budget = {"amount_micros": 20_000_000, "currency": "EUR", "time_zone": "Europe/Berlin"}
    period = {"period": "month"}
    await call("PUT", "/api/v1/budgets", token=owner, body={**subject, **period, **budget})
    await call("GET", "/api/v1/budgets", token=owner, query=subject)
    await call("DELETE", "/api/v1/budgets", token=owner, query={**subject, **period})
    price = {
        "model": "echo",
        "input_micros_per_million_tokens": 150_000,
        "output_micros_per_million_tokens": 600_000,
    }
    body = {"currency": "EUR", "prices": [price]}
    await call("POST", "/api/v1/prices", token=owner, body=body)
    await call("GET", "/api/v1/prices", token=owner)


async def _identities(recorder: Recorder) -> None:
    """A login through the provider; somebody with a password links an identity and unlinks it."""
    world, call = recorder.world, recorder.call
    begin = {"redirect_uri": FRONT_END, "code_challenge": CHALLENGE}
    answer = await world.client.get(f"/oauth2/{PROVIDER}/login", params=begin)
    grace = replace(IDENTITY, email="grace@example.org")
    code = await _landed(recorder, answer.headers["location"], grace)
    body = {"code": code, "code_verifier": VERIFIER}
    await call("POST", f"{AUTH}/exchange", body=body)
    token = await world.token(MEMBER.email)
    path = AUTH + "/identities/{provider}"
    body = {**begin, "password": PASSWORD}
    begun = await call("POST", path, token=token, body=body, provider=PROVIDER)
    url = begun["authorization_url"]
    code = await _landed(recorder, url, replace(grace, subject="second"))
    finish = {"code": code, "code_verifier": VERIFIER}
    linked = await world.ask(token, "POST", f"{AUTH}/exchange", json=finish)
    assert linked.status_code == 200, linked.text
    await call("GET", f"{AUTH}/identities", token=token)
    path = AUTH + "/identities/{provider}/unlink"
    body = {"subject": "second", "password": PASSWORD}
    await call("POST", path, token=token, body=body, provider=PROVIDER)


async def _landed(recorder: Recorder, url: str, identity: ExternalIdentity) -> str:
    """The login code with which the provider's answer sends the browser to the front end."""
    [state] = parse_qs(urlsplit(url).query)["state"]
    query = {"state": state, "code": recorder.provider.approve(url, identity)}
    landing = await recorder.world.client.get(f"/oauth2/{PROVIDER}/callback", params=query)
    return landing.headers["location"].removeprefix(f"{FRONT_END}#code=")


async def _signing_keys(recorder: Recorder, owner: str) -> None:
    path = "/api/v1/signing-keys"
    await recorder.call("GET", path, token=owner)
    await recorder.call("POST", path + "/rotate", token=owner, body={"withdraw": False})


async def _bootstrap(recorder: Recorder) -> None:
    """As if nobody owned the installation yet."""
    rows = recorder.world.auth.store.rows
    kept = {kind: dict(records) for kind, records in rows.items()}
    rows[Organization] = {}
    body = {
        "token": BOOTSTRAP_TOKEN,
        "email": "root@example.org",
        "password": NEW_PASSWORD,
        "organization_name": "Example",
    }
    await recorder.call("POST", f"{AUTH}/bootstrap", body=body)
    rows.update(kept)


def _mailed(recorder: Recorder, prefix: str) -> str:
    """The token in the newest mail that has one of this kind."""
    for mail in reversed(recorder.world.auth.mailer.sent):
        if found := re.search(rf"{prefix}_[0-9A-Za-z]+", mail.text):
            return found[0]
    raise AssertionError(f"no mail brought a {prefix}_ token")
