"""One story that makes every call of the native API once, by people of two organisations."""

import re

from pyotp import TOTP
from tests.api.recorder import Recorder
from tests.security.world import World

from headrace_auth.testing.directory import MEMBER, OUTSIDER, OWNER, PASSWORD, SERVICE

NEW_PASSWORD = "paper lantern river stone"
ADA = "ada@example.org"
AUTH = "/api/v1/auth"


async def play(world: World) -> Recorder:
    """All calls, in the order in which they were made."""
    recorder = Recorder(world)
    owner = await _sessions(recorder)
    await _registration(recorder)
    await _passwords(recorder)
    await _second_factor(recorder)
    await _keys(recorder, owner)
    await _applications(recorder, owner)
    return recorder


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
    await recorder.call("POST", f"{AUTH}/email/verify", body={"token": _mailed(recorder, "hrv")})


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


def _mailed(recorder: Recorder, prefix: str) -> str:
    """The token in the newest mail that has one of this kind."""
    for mail in reversed(recorder.world.auth.mailer.sent):
        if found := re.search(rf"{prefix}_[0-9A-Za-z]+", mail.text):
            return found[0]
    raise AssertionError(f"no mail brought a {prefix}_ token")
