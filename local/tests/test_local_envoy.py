"""The rendered configuration in a real Envoy, in front of a tiny HTTP server."""

import asyncio
import contextlib
import datetime
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from headrace_local import checks, envoy, probes
from headrace_local.certificates import LOCAL_HOSTS, ensure_certificates
from headrace_local.components import Component
from headrace_local.supervisor import Supervisor


class TinyGateway:
    """Answers /stream with two events, the second one when it is told to; else echoes the head."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.was_left = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" /stream " in head:
                await self._stream(reader, writer)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + head)
            await writer.drain()
        writer.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        )
        writer.write(b"data: first\n\n")
        left = asyncio.create_task(reader.read())
        told = asyncio.create_task(self.go_on.wait())
        await asyncio.wait({left, told}, return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            self.was_left.set()
        left.cancel()
        told.cancel()
        writer.write(b"data: second\n\n")


@pytest.fixture
async def gateway() -> TinyGateway:
    return TinyGateway()


@pytest.fixture
async def client(tmp_path: Path, gateway: TinyGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an Envoy in front of the tiny gateway."""
    ensure_certificates(tmp_path, LOCAL_HOSTS, datetime.datetime.now(datetime.UTC))
    upstream = await asyncio.start_server(gateway.handle, "127.0.0.1", 0)
    port = checks.free_port()
    config = tmp_path / "envoy.json"
    envoy.write_config(config, "127.0.0.1", port, upstream.sockets[0].getsockname()[1], tmp_path)
    component = Component(
        "envoy",
        envoy.command(config),
        layer=0,
        probe=probes.tls("127.0.0.1", port, tmp_path / "ca.pem"),
    )
    supervisor = Supervisor((component,), log_of=lambda name: tmp_path / f"{name}.log")
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    base_url = f"https://127.0.0.1:{port}"
    try:
        await supervisor.start()
        async with (
            upstream,
            httpx.AsyncClient(base_url=base_url, verify=context, timeout=10) as http,
        ):
            yield http
    finally:
        await supervisor.stop()


def test_envoy_accepts_the_configuration(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, LOCAL_HOSTS, datetime.datetime.now(datetime.UTC))
    config = tmp_path / "envoy.json"
    envoy.write_config(config, "0.0.0.0", 8443, 8000, tmp_path)
    done = subprocess.run(
        [*envoy.command(config), "--mode", "validate"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "OK" in done.stdout


async def test_it_tells_the_clients_address_and_not_what_the_client_says(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/v1/models", headers={"x-forwarded-for": "203.0.113.9"})
    head = answer.text.lower()
    assert "get /v1/models" in head
    assert "x-forwarded-proto: https" in head
    assert answer.status_code == 200
    forwarded = [line for line in head.splitlines() if line.startswith("x-forwarded-for")]
    assert forwarded == ["x-forwarded-for: 127.0.0.1"]


async def test_a_stream_passes_unbuffered(client: httpx.AsyncClient, gateway: TinyGateway) -> None:
    async with client.stream("GET", "/stream") as answer:
        pieces = answer.aiter_text()
        assert await anext(pieces) == "data: first\n\n"
        gateway.go_on.set()
        assert await anext(pieces) == "data: second\n\n"


async def test_a_client_that_hangs_up_is_noticed_behind_it(
    client: httpx.AsyncClient, gateway: TinyGateway
) -> None:
    async with client.stream("GET", "/stream") as answer:
        await anext(answer.aiter_text())
    async with asyncio.timeout(5):
        assert await gateway.was_left.wait()


async def test_http2_is_offered(client: httpx.AsyncClient, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()


async def test_old_tls_is_refused(client: httpx.AsyncClient, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with pytest.deprecated_call():
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", client.base_url.port, ssl=context)


async def test_a_missing_gateway_is_an_error_in_the_usual_shape(tmp_path: Path) -> None:
    body = envoy.render("127.0.0.1", 1, 2, tmp_path)
    manager = body["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    shape = manager["typed_config"]["local_reply_config"]["body_format"]["json_format"]["error"]
    assert set(shape) == {"message", "type", "param", "code", "request_id"}
