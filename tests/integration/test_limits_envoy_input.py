"""Hostile requests to a real Envoy before a gateway: one clear refusal, and nothing smuggled."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.envoy_front import running_envoy, talk_tls, trust_of
from tests.integration.gateway_under_fire import gateway_process

from headrace_gateway.testing.gateway import KEY
from headrace_gateway.testing.raw_http import RawAnswer

HEAD = b"GET /version HTTP/1.1\r\nhost: localhost\r\n"
CHAT = (
    f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
).encode()
CHUNKED = CHAT + b"transfer-encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with (
        gateway_process("echo", body_timeout_seconds=1) as gateway,
        running_envoy(tmp_path, gateway.port) as port,
    ):
        yield port


@pytest.fixture
def trust(tmp_path: Path, port: int) -> ssl.SSLContext:
    return trust_of(tmp_path)


def _expect_error(answer: RawAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.error["code"]) == (status, code)
    assert set(answer.error) == {"message", "type", "param", "code", "request_id"}
    assert answer.error["type"] == "invalid_request_error"
    # What Envoy could not read is no request, and has no id.
    assert answer.error["request_id"] == answer.headers.get("x-request-id")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        CHAT + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        CHAT + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}" + SMUGGLED,
        CHAT + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        CHAT
        + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"
        + SMUGGLED,
        CHAT + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        CHUNKED + b"zz\r\n" + SMUGGLED,
        HEAD + b"content_length: 3\r\n\r\n" + SMUGGLED,
        b"GET /version HTTP/1.1\r\n\r\n",
        b"GET /v1%2fmodels HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
async def test_a_request_in_two_readings_is_refused_once(
    port: int, trust: ssl.SSLContext, request_bytes: bytes
) -> None:
    [answer] = await talk_tls(port, trust, request_bytes, seconds=5)
    _expect_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("headers", [b"a: b\r\n" * 120, b"a: " + b"x" * 70_000 + b"\r\n"])
async def test_a_head_that_is_too_large_is_431(
    port: int, trust: ssl.SSLContext, headers: bytes
) -> None:
    [answer] = await talk_tls(port, trust, HEAD + headers + b"\r\n", seconds=5)
    _expect_error(answer, 431, "request_too_large")


async def test_a_slow_head_is_408(port: int, trust: ssl.SSLContext) -> None:
    [answer] = await talk_tls(port, trust, HEAD, seconds=20)
    _expect_error(answer, 408, "request_too_slow")


async def test_a_body_that_never_ends_is_refused_by_the_gateway(
    port: int, trust: ssl.SSLContext
) -> None:
    [slow] = await talk_tls(port, trust, CHUNKED + b"1\r\nx\r\n", seconds=5)
    _expect_error(slow, 408, "request_too_slow")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    [large] = await talk_tls(port, trust, CHUNKED, *[chunk] * 160, seconds=10)
    _expect_error(large, 413, "request_too_large")
