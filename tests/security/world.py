"""A real gateway in front of a real auth, both over memory: what a caller can do, and what not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.seeding import price
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet
from headrace_gateway.adapters.memory import (
    EchoTarget,
    MemoryAnswerStore,
    MemoryEventLog,
    MemoryGuardPolicies,
)
from headrace_gateway.adapters.policy_file import shipped_policies
from headrace_gateway.app import Neighbours, build
from headrace_gateway.http.front_door import Readiness
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.key_uses import KeyUses
from headrace_gateway.stages.leases import Leases
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.routing import fixed_router

SECONDS = 10.0
BOOTSTRAP_TOKEN = "as-it-stands-in-the-settings-of-auth"


@dataclass(frozen=True, slots=True)
class World:
    """Both services, and a client that sends no credential of its own."""

    client: httpx.AsyncClient
    app: ASGIApp
    auth: RunningAuth
    clock: FakeClock
    ended: Ended
    events: MemoryEventLog

    async def token(self, email: str, password: str = PASSWORD) -> str:
        """An access token of a new login over HTTP."""
        return str((await self.tokens(email, password))["access_token"])

    async def tokens(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """What a login answers."""
        credentials = {"email": email, "password": password}
        response = await self.client.post("/api/v1/auth/login", json=credentials)
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    async def ask(
        self, credential: str, method: str = "GET", path: str = "/v1/models", **arguments: Any
    ) -> httpx.Response:
        """A request with this bearer credential."""
        headers = {"authorization": f"Bearer {credential}", **arguments.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **arguments)


@asynccontextmanager
async def running_world(
    clock: FakeClock | None = None, **auth_settings: Any
) -> AsyncIterator[World]:
    """Everything in this process; time stands still unless it is told to move."""
    clock, registry = clock or FakeClock(), CollectorRegistry()
    async with running_auth(clock, bootstrap_token=BOOTSTRAP_TOKEN, **auth_settings) as auth:
        await price(auth.store, "echo")
        client = AuthClient(auth.channel, resolve_seconds=SECONDS)
        key_set, ended = KeySet(client, clock), Ended(client, clock, keep_seconds=600)
        router = fixed_router({"echo": EchoTarget()}, refresh_seconds=3600)
        events, limiter = MemoryEventLog(), FakeLimiter(clock)
        neighbours = Neighbours(
            resolver=client,
            verifier=key_set,
            published_keys=key_set,
            accounts=GrpcAccounts(auth.channel, seconds=SECONDS),
            limiter=limiter,
            leases=Leases(limiter, lease_seconds=30),
            answers=MemoryAnswerStore(),
            event_log=events,
            router=router,
            ended=ended,
            key_uses=KeyUses(client, clock, report_seconds=3600),
            guard_policies=MemoryGuardPolicies(shipped_policies(maximum_prompt_characters=100_000)),
        )
        doors = build(_settings(), neighbours, Readiness({}), clock=clock, registry=registry)
        background = [
            asyncio.create_task(work) for work in (key_set.keep_fresh(), router.keep_fresh())
        ]
        transport = httpx.ASGITransport(doors.http, client=("192.0.2.1", 50_000))
        try:
            async with asyncio.timeout(SECONDS):
                await key_set.known.wait()
                await router.known.wait()
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                yield World(http, doors.http, auth, clock, ended, events)
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)


def _settings() -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "auth_target": "unused:1",
            "cache_target": "unused:1",
            "audit_target": "unused:1",
            "models": {"echo": "unused:1"},
            "admission_redis_url": "unix:///unused",
            "spool_directory": Path("unused"),
            "default_requests_per_minute": 100_000,
        }
    )
