"""How a credential may be shown, and what hostile headers change: nothing."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.security.world import World, running_world

from headrace_auth.testing.directory import ADMIN, MEMBER, OWNER

Header = tuple[bytes, bytes]


async def _status(world: World, headers: list[Header], path: str = "/v1/models") -> int:
    """Of a request with exactly these header fields, straight at the application."""
    sent: list[dict[str, Any]] = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.Event().wait()  # nobody hangs up
        return requests.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "server": ("gateway", 80),
        "state": {},
    }
    async with asyncio.timeout(5):
        await world.app(scope, receive, send)
    return int(sent[0]["status"])


async def test_a_credential_is_shown_once_and_in_one_way(world: World) -> None:
    token = (await world.token(OWNER.email)).encode()
    shown = b"Bearer " + token
    assert await _status(world, [(b"authorization", shown)]) == 200
    assert await _status(world, [(b"authorization", b"bearer " + token)]) == 200
    assert await _status(world, [(b"x-api-key", token)]) == 200
    for headers in (
        [],
        [(b"authorization", shown), (b"authorization", shown)],
        [(b"authorization", shown), (b"authorization", b"Bearer hr_other")],
        [(b"authorization", token)],
        [(b"authorization", b"Basic " + token)],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer  ")],
        [(b"authorization", shown + b", " + shown)],
        [(b"authorization", b"Basic eDp5"), (b"x-api-key", token)],
        [(b"x-api-key", token), (b"x-api-key", token)],
        [(b"cookie", b"authorization=" + token)],
        [(b"authorization", shown + b"\xff")],
        [(b"authorization", b"Bearer \xc3\xa9" + token)],
        [(b"authorization", b"Bearer " + b"x" * 5000)],
        [(b"authorization", shown + b"\x00")],
    ):
        assert await _status(world, headers) == 401, headers


async def test_no_bytes_in_a_credential_are_a_fault_of_ours(world: World) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200), st.sampled_from([b"authorization", b"x-api-key"]))
    def ask(value: bytes, name: bytes) -> None:
        statuses.append((name, b"Bearer " + value if name == b"authorization" else value))

    statuses: list[Header] = []
    ask()
    for header in statuses:
        assert await _status(world, [header]) == 401, header


async def test_hostile_proxies_headers_change_nothing(world: World) -> None:
    token = await world.token(MEMBER.email)
    hostile = {
        "host": "evil.test",
        "x-forwarded-host": "evil.test",
        "x-forwarded-for": "10.0.0.1, evil",
        "x-forwarded-proto": "javascript",
        "x-real-ip": "10.0.0.1",
        "forwarded": "for=10.0.0.1;host=evil.test",
        "x-request-id": "chosen",
        "x-user-id": OWNER.user_id,
        "x-role": "owner",
        "x-source-address": "10.0.0.1",
        "x-original-url": "/api/v1/users",
        "x-http-method-override": "DELETE",
    }
    response = await world.ask(token, path="/api/v1/auth/me", headers=hostile)
    assert (response.status_code, response.json()["user_id"]) == (200, MEMBER.user_id)
    assert "evil" not in response.text
    assert response.headers["x-request-id"] != "chosen"
    # Whom the caller claims to come from is not where it comes from.
    assert {exchange.source_address for exchange in world.events.exchanges} == {"192.0.2.1"}


async def test_one_address_of_a_network_may_use_a_key(world: World) -> None:
    token = await world.token(ADMIN.email)
    made = await world.ask(
        token, "POST", "/api/v1/keys", json={"name": "x", "allowed_networks": ["198.51.100.0/24"]}
    )
    if made.status_code == 400:
        pytest.fail(made.text)
    refused = await world.ask(made.json()["secret"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")


async def test_a_refusal_fits_every_kind_of_credential(world: World) -> None:
    """One message, whatever was shown: it tells nobody what is known of it."""
    refresh = {"refresh_token": "hrr_" + "x" * 43}
    answers = [
        await world.client.post("/api/v1/auth/refresh", json=refresh),
        await world.ask("hr_unknown_key"),
        await world.ask("a.b.c"),
    ]
    errors = [answer.json()["error"] for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert {error["code"] for error in errors} == {"invalid_api_key"}
    [message] = {error["message"] for error in errors}
    assert "credential" in message
    assert "API key" not in message


async def test_a_key_that_may_do_little_hears_in_words_what_it_may_not(world: World) -> None:
    token = await world.token(MEMBER.email)
    key = (await world.ask(token, "POST", "/api/v1/keys", json={"name": "x"})).json()["secret"]
    personal = await world.ask(key, "GET", "/api/v1/auth/sessions")
    assert personal.json()["error"]["message"].startswith("To list sessions, log in")
    other = await world.ask(key, "GET", "/api/v1/teams")
    assert other.json()["error"]["message"] == "This credential may not list teams."
    assert {personal.status_code, other.status_code} == {403}


async def test_each_world_is_a_world_of_its_own() -> None:
    async with running_world() as one, running_world() as two:
        token = await one.token(OWNER.email)
        assert (await two.ask(token)).status_code == 401
