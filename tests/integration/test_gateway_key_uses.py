"""A gateway that stops tells auth of the last uses of keys."""

import asyncio
import socket
from pathlib import Path

import httpx

from headrace.auth.v1 import api_keys_pb2, api_keys_pb2_grpc
from headrace_auth.testing.directory import MEMBER
from headrace_auth.testing.key_suites import known_uses
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.runtime import Runtime
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.app import start
from headrace_gateway.settings import GatewaySettings


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


async def _make_key(auth: RunningAuth) -> api_keys_pb2.CreateApiKeyResponse:
    metadata = [("authorization", f"Bearer {await auth.token_of(MEMBER.email)}")]
    made: api_keys_pb2.CreateApiKeyResponse = await api_keys_pb2_grpc.ApiKeyServiceStub(
        auth.channel
    ).CreateApiKey(api_keys_pb2.CreateApiKeyRequest(name="k"), metadata=metadata, timeout=5)
    return made


async def test_uses_are_told_when_a_gateway_stops(redis_url: str, tmp_path: Path) -> None:
    auth_address, http_address = _free_address(), _free_address()
    settings = GatewaySettings.model_validate(
        {
            "http_address": http_address,
            "metrics_address": "127.0.0.1:0",
            "auth_target": auth_address,
            "cache_target": "127.0.0.1:1",
            "audit_target": "127.0.0.1:1",
            "models": {"echo": "127.0.0.1:1"},
            "admission_redis_url": redis_url,
            "spool_directory": tmp_path,
            "drain_seconds": 5,
            "key_uses_report_seconds": 3600,
        }
    )
    # No audit takes the events, which stay in the spool: the step that waits for it is cut short.
    runtime = Runtime(step_seconds=2)
    async with (
        asyncio.timeout(60),
        running_auth(FakeClock()) as auth,
        serving(auth.service.registrations, grpc_address=auth_address),
    ):
        made = await _make_key(auth)
        try:
            await start(settings, runtime)
            headers = {"authorization": f"Bearer {made.secret}"}
            async with httpx.AsyncClient(headers=headers, timeout=10) as client:
                for _ in range(3):
                    answer = await client.get(f"http://{http_address}/v1/models")
                    assert answer.status_code == 200, answer.text
            assert await known_uses(auth.store) == {}
        finally:
            await runtime.close()
        [use] = (await known_uses(auth.store)).values()
        assert (use.api_key_id, use.use_count) == (made.api_key.api_key_id, 3)
