"""The auth service as a process: several start at once, one goes through an outage, all drain."""

import asyncio
import base64
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from headrace.auth.v1 import (
    api_keys_pb2,
    api_keys_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
)
from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.app import build as build_audit
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.testing.grpc import serving
from headrace_common.testing.postgres import proxying_postgres
from headrace_local.checks import free_port, free_ports

EMAIL, PASSWORD = "root@acme.test", "canary-password-1"
KEY = base64.b64encode(b"canary-key-encryption-key-bytes!").decode()
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Service:
    """A running process and a channel to it."""

    def __init__(self, process: Process, port: int, metrics_port: int) -> None:
        self.process = process
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self.channel = create_channel(f"127.0.0.1:{port}")
        self.stub = auth_pb2_grpc.AuthServiceStub(self.channel)
        self.keys = api_keys_pb2_grpc.ApiKeyServiceStub(self.channel)
        self.sessions = sessions_pb2_grpc.SessionServiceStub(self.channel)

    async def until(self, status: int) -> None:
        """Wait for the health to be this; fails at once if the process ends."""
        watching = asyncio.ensure_future(self._until(status))
        ending = asyncio.ensure_future(self.process.wait())
        await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not watching.done():
            watching.cancel()
            pytest.fail(f"the process ended with {self.process.returncode}")
        await watching

    async def _until(self, status: int) -> None:
        request = health_pb2.HealthCheckRequest()
        watch = health_pb2_grpc.HealthStub(self.channel).Watch
        async for response in watch(request, wait_for_ready=True, timeout=60):
            if response.status == status:
                return

    async def login(self) -> sessions_pb2.LoginResponse:
        request = sessions_pb2.LoginRequest(email=EMAIL, password=PASSWORD)
        response: sessions_pb2.LoginResponse = await self.sessions.Login(request, timeout=5)
        return response

    async def resolve(self, credential: str) -> auth_pb2.Principal:
        request = auth_pb2.ResolveCredentialRequest(credential=credential)
        with translate_rpc_errors("auth"):
            response: auth_pb2.ResolveCredentialResponse = await self.stub.ResolveCredential(
                request, timeout=5
            )
        return response.principal

    async def stop(self) -> tuple[int, str]:
        """Exit code and output."""
        await self.channel.close()
        if self.process.returncode is None:
            self.process.terminate()
        output, _ = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()


@asynccontextmanager
async def _running(database_url: str, redis_url: str, **settings: str) -> AsyncIterator[Service]:
    # not of those that the kernel hands to clients: one of them could take it before the service
    port, metrics_port = free_ports(("grpc", "metrics")).values()
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "AUDIT_TARGET": "127.0.0.1:1",
        "KEY_ENCRYPTION_KEY": KEY,
        "GRPC_ADDRESS": f"127.0.0.1:{port}",
        "METRICS_ADDRESS": f"127.0.0.1:{metrics_port}",
        "BOOTSTRAP_EMAIL": EMAIL,
        "BOOTSTRAP_PASSWORD": PASSWORD,
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "headrace_auth",
        env={**os.environ, **{f"HEADRACE_AUTH_{k}": v for k, v in environment.items()}},
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    service = Service(process, port, metrics_port)
    try:
        yield service
    finally:
        _, output = await service.stop()
        sys.stdout.write(output)  # which pytest shows if the test fails


async def test_three_that_start_at_once_are_one_service(postgres_url: str, redis_url: str) -> None:
    async with (
        _running(postgres_url, redis_url) as one,
        _running(postgres_url, redis_url) as two,
        _running(postgres_url, redis_url) as three,
    ):
        services = (one, two, three)
        await asyncio.gather(*(service.until(SERVING) for service in services))
        request = auth_pb2.GetJsonWebKeySetRequest()
        key_sets = [await service.stub.GetJsonWebKeySet(request, timeout=5) for service in services]
        assert [len(key_set.keys) for key_set in key_sets] == [1, 1, 1]
        assert key_sets[0] == key_sets[1] == key_sets[2]

        token = (await one.login()).tokens.access_token
        principals = [await service.resolve(token) for service in services]
        assert principals[0] == principals[1] == principals[2]

        metadata = (("authorization", f"Bearer {token}"),)
        creation = api_keys_pb2.CreateApiKeyRequest(name="key")
        created = await two.keys.CreateApiKey(creation, metadata=metadata, timeout=5)
        assert (await three.resolve(created.secret)).user_id == principals[0].user_id
        revocation = api_keys_pb2.RevokeApiKeyRequest(api_key_id=created.api_key.api_key_id)
        await three.keys.RevokeApiKey(revocation, metadata=metadata, timeout=5)
        with pytest.raises(HeadraceError) as caught:
            await one.resolve(created.secret)
        assert caught.value.reason is Reason.CREDENTIAL_INVALID

        async with httpx.AsyncClient() as client:
            metrics = (await client.get(one.metrics_url, timeout=5)).text
        assert 'headrace_auth_logins_total{outcome="ok"} 1.0' in metrics
        assert 'headrace_auth_resolutions_total{outcome="refused"} 1.0' in metrics

        for service in services:
            code, output = await service.stop()
            assert code == 0
            assert output.count('"first_owner_created"') <= 1
            for secret in (PASSWORD, KEY, token, created.secret, EMAIL):
                assert secret not in output + metrics


async def test_an_outage_is_never_a_bad_credential(postgres_url: str, redis_url: str) -> None:
    async with (
        proxying_postgres(postgres_url) as (proxy, url),
        _running(url, redis_url) as service,
    ):
        await service.until(SERVING)
        token = (await service.login()).tokens.access_token
        proxy.cut()
        with pytest.raises(HeadraceError) as caught:
            await service.resolve(token)
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as login:
            await service.login()
        assert login.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(HeadraceError) as caught:
            await service.resolve(token[:-1])  # forged: needs no database
        assert caught.value.reason is Reason.CREDENTIAL_INVALID
        await service.until(NOT_SERVING)
        proxy.restore()
        await service.until(SERVING)
        assert (await service.resolve(token)).role == auth_pb2.ROLE_OWNER


async def test_changes_wait_for_an_audit_that_comes_later(
    postgres_url: str, redis_url: str
) -> None:
    port, stored = free_port(), MemoryEventStore()
    made = {f"{thing}.create" for thing in ("organization", "user", "membership", "api_key")}
    target = f"127.0.0.1:{port}"
    async with _running(postgres_url, redis_url, AUDIT_TARGET=target) as service:
        await service.until(SERVING)
        metadata = (("authorization", f"Bearer {(await service.login()).tokens.access_token}"),)
        request = api_keys_pb2.CreateApiKeyRequest(name="key")
        await service.keys.CreateApiKey(request, metadata=metadata, timeout=5)
        audit = build_audit(store=stored, registry=CollectorRegistry(), clock=SystemClock())
        async with serving([audit.registration()], grpc_address=target), asyncio.timeout(60):
            while not made <= {event.operation for event in stored.events}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # seen from outside
    assert {event.writer for event in stored.events} == {f"auth/{socket.gethostname()}"}


async def test_a_start_without_postgresql_gives_up_with_a_reason(
    tmp_path: Path, redis_url: str
) -> None:
    nowhere = f"postgresql+asyncpg://u@/d?host={tmp_path}"
    async with _running(nowhere, redis_url, DATABASE_WAIT_SECONDS="1") as service:
        async with asyncio.timeout(30):
            await service.process.wait()
        code, output = await service.stop()
    assert code == 1
    assert '"waiting_for_database"' in output
    assert "the database did not answer within 1 s" in output


async def test_a_start_waits_for_a_late_postgresql(postgres_url: str, redis_url: str) -> None:
    async with proxying_postgres(postgres_url) as (proxy, url):
        proxy.cut()
        async with _running(url, redis_url) as service:
            assert service.process.stdout is not None
            async with asyncio.timeout(30):
                await service.process.stdout.readuntil(b'"waiting_for_database"')
            proxy.restore()
            await service.until(SERVING)


async def test_another_key_encryption_key_stops_the_start(
    postgres_url: str, redis_url: str
) -> None:
    async with _running(postgres_url, redis_url) as service:
        await service.until(SERVING)
    other = base64.b64encode(b"x" * 32).decode()
    async with _running(postgres_url, redis_url, KEY_ENCRYPTION_KEY=other) as service:
        async with asyncio.timeout(30):
            await service.process.wait()
        code, output = await service.stop()
    assert code == 1
    assert "HEADRACE_AUTH_KEY_ENCRYPTION_KEY is not the one" in output
