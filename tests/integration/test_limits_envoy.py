"""A real Envoy beyond its bounds: refusals are clear, quick and in the usual shape, and pass."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.integration.envoy_front import running_envoy

from headrace_local import checks, envoy, probes

BOUNDS = envoy.Bounds(connections=40, gateway_connections=4, waiting_requests=2)
PLACES = BOUNDS.gateway_connections + BOUNDS.waiting_requests
DEADLINE_SECONDS = 5.0


class SlowGateway:
    """Answers every request once its door is open."""

    def __init__(self) -> None:
        self.door = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await self.door.wait()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
        writer.close()


@pytest.fixture
async def gateway() -> SlowGateway:
    return SlowGateway()


@pytest.fixture
async def port(tmp_path: Path, gateway: SlowGateway) -> AsyncIterator[int]:
    upstream = await asyncio.start_server(gateway.handle, "127.0.0.1", 0)
    behind = upstream.sockets[0].getsockname()[1]
    async with upstream, running_envoy(tmp_path, behind, BOUNDS) as port:
        yield port


@pytest.fixture
def trust(tmp_path: Path, port: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=tmp_path / "ca.pem")


@pytest.fixture
async def client(port: int, trust: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=DEADLINE_SECONDS
    ) as http:
        yield http


async def test_requests_beyond_the_bound_are_refused_at_once_and_the_others_served(
    client: httpx.AsyncClient, gateway: SlowGateway
) -> None:
    calls = {asyncio.create_task(client.get("/v1/models")) for _ in range(3 * PLACES)}
    refused: set[asyncio.Task[httpx.Response]] = set()
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        while len(refused) < 2 * PLACES:
            done, calls = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
    for call in refused:
        answer = call.result()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == ("queue_full", "server_error")
        assert error["message"] == "Too many requests in flight."
        assert error["request_id"]
    gateway.door.set()
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    # Envoy frees a place when its own side of a request has ended, which its client cannot see.
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await _statuses(client) != {200}:
            continue


async def _statuses(client: httpx.AsyncClient) -> set[int]:
    answers = await asyncio.gather(*(client.get("/v1/models") for _ in range(PLACES)))
    return {answer.status_code for answer in answers}


async def test_connections_beyond_the_bound_are_closed_at_once(
    client: httpx.AsyncClient, gateway: SlowGateway, port: int, trust: ssl.SSLContext
) -> None:
    gateway.door.set()

    async def connect() -> asyncio.StreamWriter | None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        except OSError:
            return None
        return writer

    async with asyncio.timeout(DEADLINE_SECONDS):
        tried = await asyncio.gather(*(connect() for _ in range(3 * BOUNDS.connections)))
    opened = [writer for writer in tried if writer is not None]
    assert len(opened) == BOUNDS.connections
    with pytest.raises(httpx.TransportError):
        await client.get("/v1/models")
    for writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in opened), return_exceptions=True)
    assert (await client.get("/v1/models")).status_code == 200


async def test_silent_connections_make_room_for_callers(port: int, tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        closed = [asyncio.create_task(reader.read()) for reader, _ in silent]
        last_words = await asyncio.gather(*closed, return_exceptions=True)
        assert not any(isinstance(words, bytes) and words for words in last_words)
        await probes.tls("127.0.0.1", port, tmp_path / "ca.pem")()
    for _, writer in silent:
        writer.close()


async def test_what_is_no_request_is_the_callers_fault(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/models/%00")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["code"] == "invalid_request"


async def test_an_absent_gateway_is_503_with_retry_after(tmp_path: Path) -> None:
    async with running_envoy(tmp_path, checks.free_port(), BOUNDS) as port:
        trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        async with httpx.AsyncClient(verify=trust, timeout=DEADLINE_SECONDS) as http:
            answer = await http.get(f"https://127.0.0.1:{port}/v1/models")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "proxy_error"
