"""A gateway that is started with a file of guard policies takes over what changes in it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from headrace.auth.v1 import api_keys_pb2, api_keys_pb2_grpc
from headrace_auth.testing.directory import MEMBER
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.errors import HeadraceError
from headrace_common.runtime import Runtime
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.app import start
from headrace_gateway.settings import GatewaySettings

DENY = "version: 1\npolicies: {default: {rules: [{id: %s, deny: [%s], action: block}]}}\n"


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def write(file: Path, word: str) -> None:
    """Like a ConfigMap's, the file is never half there."""
    fresh = file.with_name("fresh")
    fresh.write_text(DENY % (word, word))
    fresh.replace(file)


async def make_key(auth: RunningAuth) -> str:
    metadata = [("authorization", f"Bearer {await auth.token_of(MEMBER.email)}")]
    request = api_keys_pb2.CreateApiKeyRequest(name="k")
    stub = api_keys_pb2_grpc.ApiKeyServiceStub(auth.channel)
    made = await stub.CreateApiKey(request, metadata=metadata, timeout=5)
    return str(made.secret)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "http_address": free_address(),
            "metrics_address": "127.0.0.1:0",
            "auth_target": free_address(),
            "cache_target": "127.0.0.1:1",
            "audit_target": "127.0.0.1:1",
            "models": {"echo": "127.0.0.1:1"},
            "admission_redis_url": redis_url,
            "spool_directory": tmp_path / "spool",
            "drain_seconds": 5,
            "guard_policy_file": tmp_path / "guard.yaml",
            "guard_policy_refresh_seconds": 0.02,
        }
    )


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    # No audit takes the events, which stay in the spool: the step that waits for it is cut short.
    runtime = Runtime(step_seconds=2)
    yield runtime
    await runtime.close()


async def test_what_changes_in_the_file_is_in_force_soon(
    settings: GatewaySettings, runtime: Runtime, tmp_path: Path
) -> None:
    write(tmp_path / "guard.yaml", "heron")
    async with (
        asyncio.timeout(60),
        running_auth(FakeClock()) as auth,
        serving(auth.service.registrations, grpc_address=settings.auth_target),
        httpx.AsyncClient(base_url=f"http://{settings.http_address}", timeout=10) as client,
    ):
        client.headers["authorization"] = f"Bearer {await make_key(auth)}"
        await start(settings, runtime)

        async def blocks(word: str) -> bool:
            """No server answers: what is not blocked is refused for that."""
            body = {"model": "echo", "messages": [{"role": "user", "content": f"a {word}"}]}
            answer = await client.post("/v1/chat/completions", json=body)
            assert answer.status_code in {400, 503}
            assert answer.status_code == 503 or f"content rule {word}" in answer.text
            return answer.status_code == 400

        assert await blocks("heron")
        assert not await blocks("kite")
        write(tmp_path / "guard.yaml", "kite")
        while not await blocks("kite"):
            pass
        assert not await blocks("heron")
        write(tmp_path / "guard.yaml", "(")
        for _ in range(10):
            assert await blocks("kite")


async def test_a_start_with_a_broken_file_fails_and_says_why(
    settings: GatewaySettings, runtime: Runtime, tmp_path: Path
) -> None:
    write(tmp_path / "guard.yaml", "(")
    with pytest.raises(HeadraceError, match=r"guard\.yaml:2: policies\.default\.rules\[0\]\.id"):
        await start(settings, runtime)
