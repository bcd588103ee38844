"""What is no HTTP, or too much of it: a clear refusal or a closed connection, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from headrace_gateway.domain.exchange import Activity
from headrace_gateway.testing.gateway import CONNECTIONS, KEY, Gateway, running_gateway
from headrace_gateway.testing.raw_http import RawAnswer, read_answers, serving, talk

HEAD = b"GET /version HTTP/1.1\r\nhost: gateway\r\n"
LAST = b"connection: close\r\n\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
AUTHORIZED = CHAT + f"authorization: Bearer {KEY}\r\n".encode()
CHUNKED = b"transfer-encoding: chunked\r\n"
READ_BYTES = 256 * 1024
"""What the server reads at once, beside which its bounds are small."""
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hi"}]}).encode()
CHUNK = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n"
MANY = 2 * (READ_BYTES + CONNECTIONS.head_bytes) // 4096
QUICK = replace(CONNECTIONS, head_seconds=0.2)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


@pytest.fixture
async def port(gateway: Gateway) -> AsyncIterator[int]:
    async with serving(gateway) as port:
        yield port


def _expect_refusal(answer: RawAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.error["code"]) == (status, code)
    assert set(answer.error) == {"message", "type", "param", "code", "request_id"}
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /version HTTP/2.0\r\nhost: gateway\r\n\r\n",
        b"GET /version HTTP/1.1\r\n\r\n",
        b"GET /version\r\n\r\n",
        b"GET /v\xc3\xa9 HTTP/1.1\r\nhost: gateway\r\n\r\n",
        b"GET /ver sion HTTP/1.1\r\nhost: gateway\r\n\r\n",
        b"BREW /version HTTP/1.1\r\nhost: gateway\r\n\r\n",
        b"CONNECT gateway:443 HTTP/1.1\r\nhost: gateway\r\n\r\n",
        HEAD + b"host: other\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"x-space : 1\r\n\r\n",
        HEAD + b"x-folded: 1\r\n 2\r\n\r\n",
        HEAD + b"x-nul: a\x00b\r\n\r\n",
        HEAD + b"x-cr: a\rb\r\n\r\n",
        HEAD + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
async def test_what_is_no_request_is_refused_in_the_one_shape(
    port: int, request_bytes: bytes
) -> None:
    [answer] = await talk(port, request_bytes)
    _expect_refusal(answer, 400, "invalid_value")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"content-length: 2, 2\r\n\r\n{}",
        b"content-length: +2\r\n\r\n{}",
        b"content-length: -2\r\n\r\n{}",
        b"content-length: 0x2\r\n\r\n{}",
        b"content-length: 99999999999999999999999\r\n\r\n{}",
        b"content-length:\r\n\r\n{}",
        b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    ],
)
async def test_a_body_has_one_length_and_no_second_request_in_it(
    gateway: Gateway, port: int, framing: bytes
) -> None:
    smuggled = b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n"
    [answer] = await talk(port, AUTHORIZED + framing + smuggled)
    _expect_refusal(answer, 400, "invalid_value")
    assert Activity.MODEL_LIST not in {each.activity for each in gateway.events.exchanges}


async def test_a_head_with_too_many_headers_is_431(port: int) -> None:
    [answer] = await talk(port, HEAD + b"a: b\r\n" * CONNECTIONS.headers + LAST)
    _expect_refusal(answer, 431, "request_too_large")


@pytest.mark.parametrize("end", [LAST, b""], ids=["whole", "endless"])
async def test_a_head_that_is_too_large_is_431(port: int, end: bytes) -> None:
    [answer] = await talk(port, HEAD + b"large: ", *[b"x" * 4096] * MANY, b"\r\n" + end)
    _expect_refusal(answer, 431, "request_too_large")


async def test_a_target_counts_as_part_of_the_head(port: int) -> None:
    target = b"x" * CONNECTIONS.head_bytes
    [answer] = await talk(port, b"GET /" + target + b" HTTP/1.1\r\nhost: gateway\r\n\r\n")
    _expect_refusal(answer, 431, "request_too_large")


@pytest.mark.parametrize(
    ("framing", "endless"),
    [
        (b"1;x=", b"y" * 4096),
        (CHUNK + b"0\r\nx: ", b"y" * 4096),
        (CHUNK + b"0\r\n", b"a: b\r\n" * 600),
    ],
    ids=["extension", "trailer", "trailers"],
)
async def test_what_is_beside_a_chunked_body_is_bounded_too(
    port: int, framing: bytes, endless: bytes
) -> None:
    [answer] = await talk(port, AUTHORIZED + CHUNKED + b"\r\n" + framing, *[endless] * MANY)
    _expect_refusal(answer, 431, "request_too_large")


async def test_trailers_are_no_headers(port: int) -> None:
    trailer = f"0\r\nauthorization: Bearer {KEY}\r\n\r\n".encode()
    [answer] = await talk(port, CHAT + CHUNKED + LAST[:-2] + b"\r\n" + CHUNK + trailer)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


async def test_a_slow_head_is_408_and_a_silent_connection_is_closed(gateway: Gateway) -> None:
    async with serving(gateway, QUICK) as port:
        [answer] = await talk(port, HEAD)
        _expect_refusal(answer, 408, "request_too_slow")
        assert await talk(port) == []
        assert await talk(port, b"\r\n") == []
        first, second = await talk(port, HEAD + b"\r\n" + HEAD)
        assert first.status == 200
        _expect_refusal(second, 408, "request_too_slow")


async def test_a_head_that_trickles_gains_no_time(gateway: Gateway) -> None:
    async with serving(gateway, QUICK) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"slow: ")
        reading = asyncio.create_task(read_answers(reader))
        while not reading.done():
            writer.write(b"x")
            await asyncio.wait([reading], timeout=0.05)
        writer.close()
        assert [answer.status for answer in reading.result()] == [408]


async def test_requests_may_follow_each_other_but_not_without_end(port: int) -> None:
    one = HEAD + b"\r\n"
    answers = await talk(port, 2 * one + HEAD + LAST)
    assert [answer.status for answer in answers] == [200, 200, 200]
    answers = await talk(port, 40 * one)
    assert len(answers) <= 1


async def test_a_connection_too_many_is_closed_at_once(gateway: Gateway) -> None:
    async with serving(gateway, replace(CONNECTIONS, connections=2)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await talk(port, HEAD + LAST) == []
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5):
            while not await talk(port, HEAD + LAST):
                continue


async def test_a_refusal_arrives_though_its_body_goes_on(port: int) -> None:
    announced = f"content-length: {4 * 1024 * 1024}\r\n\r\n".encode()
    [answer] = await talk(port, AUTHORIZED + announced, *[bytes(65536)] * 64)
    _expect_refusal(answer, 413, "request_too_large")


async def test_an_upgrade_is_ignored_and_its_connection_closed(port: int) -> None:
    upgrade = b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    [answer] = await talk(port, HEAD + upgrade + HEAD + b"\r\n")
    assert answer.status == 200
