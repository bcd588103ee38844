"""CORS, compression and HTTPS by setting; hosts that are served; none of it by default."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from headrace_gateway.testing.gateway import Gateway, running_gateway

ORIGIN = "https://chat.example.org"
CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "one " * 200}]}
PREFLIGHT = {
    "origin": ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(
        cors_allowed_origins=[ORIGIN], gzip_minimum_bytes=256, maximum_body_bytes=4096
    ) as running:
        yield running


def _expect_error(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]


async def test_scripts_of_an_allowed_origin_may_call_and_read_what_they_need(
    gateway: Gateway,
) -> None:
    asked = await gateway.client.options(CHAT, headers=PREFLIGHT)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "x-stainless-lang" in asked.headers["access-control-allow-headers"]
    assert asked.headers["x-request-id"]
    answer = await gateway.client.post(CHAT, json=BODY, headers={"origin": ORIGIN})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in answer.headers
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"x-request-id", "x-ratelimit-remaining-tokens", "retry-after"} <= exposed
    ours = {name for name in answer.headers if name.startswith(("x-headrace-", "x-ratelimit-"))}
    assert "x-headrace-model" in ours
    assert ours <= exposed


@pytest.mark.parametrize("path", [CHAT, "/nothing"])
async def test_refusals_can_be_read_too_those_of_the_edge_among_them(
    gateway: Gateway, path: str
) -> None:
    answer = await gateway.client.post(path, content=bytes(5000), headers={"origin": ORIGIN})
    _expect_error(answer, 413)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_other_origins_are_allowed_nothing(gateway: Gateway) -> None:
    other = {**PREFLIGHT, "origin": "https://evil.example.org"}
    asked = await gateway.client.options(CHAT, headers=other)
    _expect_error(asked, 400)
    answer = await gateway.client.get("/v1/models", headers={"origin": other["origin"]})
    assert answer.status_code == 200
    assert not {"access-control-allow-origin"} & set(answer.headers)
    assert "Origin" in answer.headers["vary"]


async def test_by_default_no_origin_is_allowed_anything() -> None:
    async with running_gateway() as gateway:
        _expect_error(await gateway.client.options(CHAT, headers=PREFLIGHT), 405)
        answer = await gateway.client.get("/v1/models", headers={"origin": ORIGIN})
        assert not any(name.startswith("access-control") for name in answer.headers)


async def _encoding(gateway: Gateway, path: str, **body: object) -> str | None:
    headers = {"accept-encoding": "gzip"}
    method = "POST" if body else "GET"
    answer = await gateway.client.request(method, path, json=body or None, headers=headers)
    assert answer.status_code == 200
    encoding: str | None = answer.headers.get("content-encoding")
    return encoding


async def test_documents_and_whole_answers_are_compressed_and_streams_are_not(
    gateway: Gateway,
) -> None:
    assert await _encoding(gateway, "/openapi.json") == "gzip"
    assert await _encoding(gateway, "/docs/assets/swagger-ui.css") == "gzip"
    assert await _encoding(gateway, CHAT, **BODY) == "gzip"
    assert await _encoding(gateway, CHAT, **BODY, stream=True) is None
    assert await _encoding(gateway, "/version") is None


async def test_what_has_secrets_is_not_compressed(gateway: Gateway) -> None:
    for path in ("/login", "/oauth2/authorize", "/api/v1/keys"):
        headers = {"accept-encoding": "gzip"}
        answer = await gateway.client.get(path, headers=headers)
        assert "content-encoding" not in answer.headers


async def test_nothing_is_compressed_by_default() -> None:
    async with running_gateway() as gateway:
        assert await _encoding(gateway, "/openapi.json") is None


async def test_a_compressed_answer_is_the_same_answer(gateway: Gateway) -> None:
    headers = {"accept-encoding": "gzip"}
    async with gateway.client.stream("POST", CHAT, json=BODY, headers=headers) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert int(answer.headers["content-length"]) == len(raw)
    assert b'"one one' in gzip.decompress(raw)


async def _ask(gateway: Gateway, host: str, path: str = "/version") -> httpx.Response:
    return await gateway.client.get(path, headers={"host": host})


async def test_only_named_hosts_are_served_and_probes_on_any() -> None:
    hosts = ["llm.example.org", "*.apps.example.org", "[::1]"]
    async with running_gateway(trusted_hosts=hosts) as gateway:
        for served in (
            "llm.example.org",
            "LLM.example.org:8443",
            "a.b.apps.example.org",
            "[::1]:1",
        ):
            assert (await _ask(gateway, served)).status_code == 200, served
        for other in (
            "example.org",
            "apps.example.org",
            "evil.test",
            "llm.example.org.evil.test",
            "",
        ):
            answer = await _ask(gateway, other)
            _expect_error(answer, 400)
            assert answer.json()["error"]["param"] == "host"
        assert (await _ask(gateway, "10.0.0.7:8080", "/api/v1/health/liveness")).status_code == 200


async def test_plain_http_is_sent_to_the_named_url_and_nowhere_else() -> None:
    async with running_gateway(https_redirect_url="https://llm.example.org:8443") as gateway:
        answer = await gateway.client.post("/v1/a%20b?x=%2F&y", headers={"host": "evil.test"})
        assert answer.status_code == 308
        assert answer.headers["location"] == "https://llm.example.org:8443/v1/a%20b?x=%2F&y"
        assert answer.headers["x-request-id"]
        location = (await _ask(gateway, "x", "http://gateway//evil.test/")).headers["location"]
        assert location == "https://llm.example.org:8443//evil.test/"
        assert (await _ask(gateway, "x", "/api/v1/health/liveness")).status_code == 200
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(gateway.app), base_url="https://gateway"
        ) as client:
            assert (await client.get("/version")).status_code == 200


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("trusted_proxies", "10.0.0.0/8, proxy.local"),
        ("trusted_proxies", "*"),
        ("trusted_hosts", ["https://llm.example.org"]),
        ("trusted_hosts", ["llm.example.org:8443"]),
        ("trusted_hosts", ["LLM.example.org"]),
        ("cors_allowed_origins", ["chat.example.org"]),
        ("cors_allowed_origins", ["https://chat.example.org/"]),
        ("https_redirect_url", "http://llm.example.org"),
        ("https_redirect_url", "https://llm.example.org/path"),
        ("gzip_minimum_bytes", 0),
    ],
)
async def test_a_wrong_setting_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=setting):
        async with running_gateway(**{setting: value}):
            pass
