"""A whole gateway over in-memory neighbours, driven through its real HTTP application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import (
    EchoTarget,
    MemoryAccounts,
    MemoryAnswerStore,
    MemoryEventLog,
    MemoryGuardPolicies,
)
from headrace_gateway.adapters.policy_file import shipped_policies
from headrace_gateway.app import Neighbours, build, never_saturated
from headrace_gateway.domain.policy_book import PolicyBook
from headrace_gateway.domain.principal import INVOKE_MODELS, READ_MODELS, Principal
from headrace_gateway.grpc.servicer import CompletionServicer
from headrace_gateway.http.connection import ConnectionBounds
from headrace_gateway.http.front_door import Readiness
from headrace_gateway.ports import InferenceTarget
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.key_uses import KeyUses
from headrace_gateway.stages.leases import Leases
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.stages.route import Router
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.routing import fixed_router

KEY = "hr_test_key"
CONNECTIONS = ConnectionBounds(connections=64, headers=32, head_bytes=16 * 1024, head_seconds=10.0)
"""For a test that serves an application on a port."""
PRINCIPAL = Principal(
    credential_id="test",
    user_id="user_1",
    organization_id="org_1",
    scopes=frozenset({INVOKE_MODELS, READ_MODELS}),
    revocation_ids=("test", "member:user_1:1"),
)


@dataclass(slots=True)
class Gateway:
    """The application and everything behind it, for tests to set and to look at."""

    app: ASGIApp
    servicer: CompletionServicer
    client: httpx.AsyncClient
    clock: FakeClock
    accounts: MemoryAccounts
    limiter: FakeLimiter
    leases: Leases
    answers: MemoryAnswerStore
    events: MemoryEventLog
    registry: CollectorRegistry
    readiness: Readiness
    ended: Ended
    key_uses: KeyUses
    guard_policies: MemoryGuardPolicies


@asynccontextmanager
async def running_gateway(
    target: InferenceTarget | None = None,
    *,
    accounts: MemoryAccounts | None = None,
    clock: FakeClock | None = None,
    routing: Callable[[CollectorRegistry, FakeClock], Router] | None = None,
    limiter: FakeLimiter | None = None,
    answers: MemoryAnswerStore | None = None,
    saturation: Callable[[str], float] = never_saturated,
    policies: PolicyBook | None = None,
    **settings: object,
) -> AsyncIterator[Gateway]:
    """A gateway that serves the model `echo` to the holder of KEY, or what `routing` knows."""
    clock, registry = clock or FakeClock(), CollectorRegistry()
    accounts, limiter = accounts or MemoryAccounts(), limiter or FakeLimiter(clock)
    answers, log = answers or MemoryAnswerStore(), MemoryEventLog()
    accounts.principals[KEY] = PRINCIPAL
    configured = _settings(settings)
    guarding = MemoryGuardPolicies(policies or _shipped_policies(configured))
    router = routing(registry, clock) if routing else _router(target or EchoTarget())
    async with _refreshing(router):
        behind = _neighbours(clock, accounts, limiter, answers, log, router, saturation, guarding)
        readiness = Readiness({"models": router.known.is_set})
        doors = build(configured, behind, readiness, clock=clock, registry=registry)
        async with _client(doors.http) as client:
            yield Gateway(
                app=doors.http, servicer=doors.grpc, client=client, clock=clock,
                accounts=accounts, limiter=limiter, answers=answers, events=log,
                leases=behind.leases, registry=registry, readiness=readiness,
                ended=behind.ended, key_uses=behind.key_uses, guard_policies=guarding,
            )  # fmt: skip


def _shipped_policies(settings: GatewaySettings) -> PolicyBook:
    return shipped_policies(maximum_prompt_characters=settings.maximum_prompt_characters)


def _router(target: InferenceTarget) -> Router:
    return fixed_router({"echo": target}, refresh_seconds=3600)


def _neighbours(
    clock: FakeClock,
    accounts: MemoryAccounts,
    limiter: FakeLimiter,
    answers: MemoryAnswerStore,
    log: MemoryEventLog,
    router: Router,
    saturation: Callable[[str], float],
    guard_policies: MemoryGuardPolicies,
) -> Neighbours:
    return Neighbours(
        resolver=accounts,
        verifier=accounts,
        published_keys=accounts,
        accounts=accounts,
        limiter=limiter,
        leases=Leases(limiter, lease_seconds=30),
        answers=answers,
        event_log=log,
        router=router,
        ended=Ended(accounts, clock, keep_seconds=600),
        key_uses=KeyUses(accounts, clock, report_seconds=3600),
        saturation=saturation,
        guard_policies=guard_policies,
    )


@asynccontextmanager
async def _refreshing(router: Router) -> AsyncIterator[None]:
    refreshing = asyncio.create_task(router.keep_fresh())
    try:
        async with asyncio.timeout(5):
            await router.known.wait()
        yield
    finally:
        refreshing.cancel()
        await asyncio.wait([refreshing])


def _client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://gateway",
        headers={"authorization": f"Bearer {KEY}"},
    )


def _settings(overrides: dict[str, object]) -> GatewaySettings:
    values: dict[str, object] = {
        "auth_target": "unused:1",
        "cache_target": "unused:1",
        "audit_target": "unused:1",
        "models": {"echo": "unused:1"},
        "admission_redis_url": "unix:///unused",
        "spool_directory": Path("unused"),
    }
    return GatewaySettings.model_validate(values | overrides)
