"""A real Envoy of the local stack in front of any port, and callers who write raw bytes to it."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from headrace_gateway.testing.raw_http import RawAnswer, read_answers
from headrace_local import checks, envoy, probes
from headrace_local.certificates import LOCAL_HOSTS, ensure_certificates
from headrace_local.components import Component
from headrace_local.supervisor import Supervisor


@contextlib.asynccontextmanager
async def running_envoy(
    directory: Path, gateway_port: int, bounds: envoy.Bounds = envoy.DEFAULT
) -> AsyncIterator[int]:
    """The port of an Envoy in front of the given one; its certificates are in `directory`."""
    ensure_certificates(directory, LOCAL_HOSTS, datetime.datetime.now(datetime.UTC))
    port, config = checks.free_port(), directory / "envoy.json"
    envoy.write_config(config, "127.0.0.1", port, gateway_port, directory, bounds)
    probe = probes.tls("127.0.0.1", port, directory / "ca.pem")
    component = Component("envoy", envoy.command(config), layer=0, probe=probe)
    supervisor = Supervisor((component,), log_of=lambda name: directory / f"{name}.log")
    try:
        await supervisor.start()
        yield port
    finally:
        await supervisor.stop()


def trust_of(directory: Path) -> ssl.SSLContext:
    """What a client trusts, which speaks HTTP/1.1 only."""
    trust = ssl.create_default_context(cafile=directory / "ca.pem")
    trust.set_alpn_protocols(["http/1.1"])
    return trust


async def talk_tls(
    port: int, trust: ssl.SSLContext, *parts: bytes, seconds: float = 10.0
) -> list[RawAnswer]:
    """Write `parts`, and read until Envoy closes the connection or `seconds` have passed."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trust, server_hostname="localhost"
    )
    answers = asyncio.create_task(read_answers(reader))
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        await asyncio.wait([answers], timeout=seconds)
    finally:
        writer.transport.abort()
    return await answers
