"""Hostile connections to a gateway process: a clear 4xx or a closed connection, and memory flat."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator

import pytest
from tests.integration.gateway_under_fire import MEBIBYTE, GatewayProcess, gateway_process

from headrace_gateway.testing.gateway import KEY
from headrace_gateway.testing.raw_http import RawAnswer, read_answers, talk

CHAT = (
    f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\n"
).encode()
CHUNKED = CHAT + b"transfer-encoding: chunked\r\n\r\n"
STREAM = b'{"model": "echo", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"
PING = b"GET /api/v1/health/ping HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n"
CALLERS = 50


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayProcess]:
    async with gateway_process("echo", head_timeout_seconds=2, body_timeout_seconds=2) as running:
        yield running


def _expect_error(answer: RawAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.error["code"]) == (status, code)
    assert set(answer.error) == {"message", "type", "param", "code", "request_id"}
    assert answer.error["request_id"] == answer.headers["x-request-id"]


async def test_bodies_of_ten_megabytes_are_413_whether_announced_or_not(
    gateway: GatewayProcess,
) -> None:
    announced = CHAT + f"content-length: {10 * MEBIBYTE}\r\n\r\n".encode()
    await talk(gateway.port, announced, *[bytes(65536)] * 160)
    before = gateway.resident_mebibytes()
    calls = [talk(gateway.port, announced, *[bytes(65536)] * 160, seconds=60) for _ in range(10)]
    calls += [talk(gateway.port, CHUNKED, *[CHUNK] * 160, seconds=60) for _ in range(10)]
    for [answer] in await asyncio.gather(*calls):
        _expect_error(answer, 413, "request_too_large")
    assert gateway.resident_mebibytes() - before < 64


async def test_chunked_bodies_that_never_end_are_cut(gateway: GatewayProcess) -> None:
    before = gateway.resident_mebibytes()
    calls = [talk(gateway.port, CHUNKED + b"1\r\nx\r\n", seconds=60) for _ in range(CALLERS)]
    for [answer] in await asyncio.gather(*calls):
        _expect_error(answer, 408, "request_too_slow")
    stranger = CHUNKED.replace(KEY.encode(), b"hr_other")
    for [answer] in await asyncio.gather(
        *(talk(gateway.port, stranger + b"1\r\nx\r\n", seconds=60) for _ in range(CALLERS))
    ):
        _expect_error(answer, 401, "invalid_api_key")
    assert gateway.resident_mebibytes() - before < 32


async def test_a_thousand_idle_connections_cost_little_and_end(gateway: GatewayProcess) -> None:
    before = gateway.resident_mebibytes()
    async with asyncio.timeout(60):
        idle = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(1000)]
        [answer] = await talk(gateway.port, PING)
        assert answer.status == 200
        assert gateway.resident_mebibytes() - before < 32
        assert set(await asyncio.gather(*(reader.read() for reader, _ in idle))) == {b""}
    for _, writer in idle:
        writer.close()


async def test_who_does_not_read_a_stream_is_cut_and_its_work_stopped() -> None:
    async with gateway_process("endless", write_timeout_seconds=1) as gateway:
        request = CHAT + f"content-length: {len(STREAM)}\r\n\r\n".encode() + STREAM
        before = gateway.resident_mebibytes()
        async with asyncio.timeout(60):
            deaf = [await _deaf(gateway.port) for _ in range(CALLERS)]
            for connection in deaf:
                await asyncio.get_running_loop().sock_sendall(connection, request)
            for _ in deaf:
                assert await gateway.line() == "stopped"
            # The server's side of each holds 64 KiB and what one write added, the kernel the half
            # megabyte before; that much answer is kept, for the cache and for rules that flag.
            assert gateway.resident_mebibytes() - before < 128
            [answer] = await talk(gateway.port, PING)
            assert answer.status == 200
            for connection in deaf:
                await _expect_cut(connection)


async def _deaf(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def _expect_cut(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with connection:
        try:
            while await loop.sock_recv(connection, 65536):
                continue
        except ConnectionError:
            return


async def test_no_bytes_are_a_fault_of_ours(gateway: GatewayProcess) -> None:
    chance = random.Random(1)
    whole = CHAT + f"content-length: {len(STREAM)}\r\n\r\n".encode() + STREAM
    before = gateway.resident_mebibytes()
    for _ in range(20):
        calls = [_first_answers(gateway.port, _spoilt(chance, whole)) for _ in range(CALLERS)]
        for answers in await asyncio.gather(*calls):
            for answer in answers:
                assert answer.status < 500, answer
                if answer.status >= 400:
                    _expect_error(answer, answer.status, answer.error["code"])
    assert gateway.resident_mebibytes() - before < 32


async def _first_answers(port: int, request: bytes) -> list[RawAnswer]:
    """Until the connection is closed, at the latest after another request that asks for it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + PING)
    answers = asyncio.create_task(read_answers(reader))
    # What became the beginning of a longer body is waited for, and then the connection is kept.
    await asyncio.wait([answers], timeout=4)
    writer.close()
    return await answers


def _spoilt(chance: random.Random, request: bytes) -> bytes:
    """The request with a few bytes changed, left out, repeated or put in."""
    spoilt = bytearray(request)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(spoilt))
        match chance.randrange(4):
            case 0:
                spoilt[place] = chance.randrange(256)
            case 1:
                del spoilt[place : place + chance.randint(1, 20)]
            case 2:
                spoilt[place:place] = spoilt[place : place + chance.randint(1, 200)]
            case _:
                spoilt[place:place] = chance.choice([b"\r\n", b"\0", b":", b"\xff", b"\r\n\r\n"])
    return bytes(spoilt)
