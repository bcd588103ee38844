"""Models' routes answer as FastAPI would, which they do without: whatever is asked, and however."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import ASGIApp

from headrace_common.testing.clock import FakeClock
from headrace_gateway.http import application, openai_routes
from headrace_gateway.http.direct_routes import DirectRoutes
from headrace_gateway.testing.gateway import KEY, running_gateway

CHAT = "/v1/chat/completions"
PATHS = (
    CHAT,
    "/v1/completions",
    "/v1/embeddings",
    "/api/v1/llm/generate",
    "/api/v1/llm/stream",
    f"{CHAT}?unknown=1",
    f"{CHAT}/",
    f"/{CHAT}",
    f"{CHAT}%0A",
    f"{CHAT}%00",
    "/v1/chat%2Fcompletions",
    "/v1/models/../chat/completions",
    "/V1/chat/completions",
)
METHODS = ("POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "post")
WITH_KEY = {"authorization": f"Bearer {KEY}"}
PREFLIGHT = {"origin": "https://chat.example.org", "access-control-request-method": "POST"}
HEADERS: tuple[dict[str, str], ...] = (
    {},
    WITH_KEY,
    WITH_KEY | PREFLIGHT,
    WITH_KEY | {"content-type": "text/plain"},
    {"signature-input": "sig1=()", "signature": "sig1=:x:"},
)
BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"x" * 5_000_000,
    json.dumps({"model": "echo", "prompt": "one two"}).encode(),
    json.dumps({"model": "echo", "input": "one two"}).encode(),
    json.dumps({"model": "echo", "messages": [{"role": "user", "content": "one"}]}).encode(),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of both."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


ASKED = (
    *(Asked(method, path, headers) for method in METHODS for path in PATHS for headers in HEADERS),
    *(Asked("POST", path, WITH_KEY, body) for path in PATHS[:5] for body in BODIES),
)


async def _answers() -> AsyncIterator[tuple[int, list[tuple[str, str]], bytes]]:
    """All of them, without what no two answers have alike."""
    origins = ["https://chat.example.org"]
    async with running_gateway(clock=FakeClock(), cors_allowed_origins=origins) as gateway:
        for asked in ASKED:
            answer = await gateway.client.request(
                asked.method, f"http://gateway{asked.path}", headers=asked.headers,
                content=asked.body,
            )  # fmt: skip
            request_id = answer.headers["x-request-id"]
            headers = sorted(each for each in answer.headers.items() if each[0] != "x-request-id")
            yield answer.status_code, headers, answer.content.replace(request_id.encode(), b"")


async def test_every_answer_is_the_one_that_fastapi_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    direct = [answer async for answer in _answers()]

    def nothing(app: ASGIApp, _routes: object) -> ASGIApp:
        return app

    monkeypatch.setattr(application, "DirectRoutes", nothing)
    around = [answer async for answer in _answers()]
    assert {answer[0] for answer in direct} >= {200, 400, 401, 404, 405, 413}
    for asked, *both in zip(ASKED, direct, around, strict=True):
        assert both[0] == both[1], asked


async def test_a_fault_of_ours_is_told_as_fastapi_would(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("secret details")

    monkeypatch.setattr(openai_routes, "open_exchange", fails)
    async with running_gateway() as gateway:
        answer = await gateway.client.post(CHAT, json={}, headers=WITH_KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in answer.text


async def test_what_is_no_http_is_left_to_the_application() -> None:
    asked: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        asked.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nobody asks")

    for kind in ("lifespan", "websocket"):
        await DirectRoutes(app, ())({"type": kind, "path": CHAT}, nothing, nothing)
    assert asked == ["lifespan", "websocket"]
