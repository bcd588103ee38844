"""Readiness probes: each looks once, for two seconds at most, and raises NotReadyError."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

Probe = Callable[[], Awaitable[None]]
DEADLINE_SECONDS = 2.0


class NotReadyError(Exception):
    """The component is not ready yet; the message says why, in a few words."""


def postgres(socket_directory: Path, database: str = "headrace") -> Probe:
    """Ready when a query is answered through the Unix socket."""

    async def look() -> None:
        try:
            connection = await asyncpg.connect(
                host=str(socket_directory),
                user=database,
                database=database,
                timeout=DEADLINE_SECONDS,
            )
            try:
                await connection.fetchval("SELECT 1", timeout=DEADLINE_SECONDS)
            finally:
                await connection.close(timeout=DEADLINE_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise NotReadyError("not ready yet") from error

    return look


def redis(socket: Path) -> Probe:
    """Ready when PING is answered with PONG, so not while it loads its data."""

    async def look() -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                reader, writer = await asyncio.open_unix_connection(socket)
                writer.write(b"PING\r\n")
                answer = await reader.readline()
                writer.close()
        except (OSError, TimeoutError) as error:
            raise NotReadyError("not ready yet") from error
        if answer != b"+PONG\r\n":
            raise NotReadyError(answer.decode(errors="replace").strip())

    return look


def grpc_health(address: str) -> Probe:
    """Ready when the standard health service reports SERVING for the whole server."""

    async def look() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(service=""), timeout=DEADLINE_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                raise NotReadyError("not ready yet") from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise NotReadyError("not ready yet")

    return look


def http(url: str) -> Probe:
    """Ready when a GET is answered with 200."""

    async def look() -> None:
        try:
            async with httpx.AsyncClient(timeout=DEADLINE_SECONDS, trust_env=False) as client:
                answer = await client.get(url)
        except httpx.TransportError as error:
            raise NotReadyError("not ready yet") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReadyError("not ready yet")

    return look


def tls(host: str, port: int, ca_file: Path) -> Probe:
    """Ready when a TLS handshake succeeds with a certificate of our authority."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    async def look() -> None:
        context = ssl.create_default_context(cafile=ca_file)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                _, writer = await asyncio.open_connection(reachable, port, ssl=context)
                writer.close()
        except (OSError, TimeoutError) as error:
            raise NotReadyError("not ready yet") from error

    return look
