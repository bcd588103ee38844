"""A gateway process that holds whoever it admits; benchmarks/gateway_limits.py starts it.

Its HTTP side, its pipeline and its limiter over a real Redis are the product's; who asks, and what
answers, are in memory. The port that it listens on is its first line of output.
"""

import asyncio
import socket
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn
import uvloop
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from headrace_common.clock import SystemClock
from headrace_common.lateness import LoopLateness
from headrace_common.logs import configure_logging
from headrace_gateway.adapters.fallback_limiter import FallbackLimiter
from headrace_gateway.adapters.memory import (
    EchoTarget,
    MemoryAccounts,
    MemoryAnswerStore,
    MemoryEventLog,
    MemoryGuardPolicies,
)
from headrace_gateway.adapters.policy_file import shipped_policies
from headrace_gateway.adapters.redis_limiter import RedisLimiter
from headrace_gateway.app import Neighbours, build
from headrace_gateway.domain.completion import Events, ModelVersion, Started
from headrace_gateway.domain.principal import Limit, LimitKind
from headrace_gateway.http.front_door import Readiness
from headrace_gateway.limiting import with_fallback
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.key_uses import KeyUses
from headrace_gateway.stages.leases import Leases
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.stages.route import Router
from headrace_gateway.testing.gateway import KEY, PRINCIPAL
from headrace_gateway.testing.routing import fixed_router

SUBJECT = f"organization:{PRINCIPAL.organization_id}"


class Holding(EchoTarget):
    """Begins every answer, and never goes on."""

    async def generate(self, *_: object) -> Events:
        yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
        await asyncio.Event().wait()


async def main(redis_url: str, kind: LimitKind, amount: int, frozen_now: int) -> None:
    """Serve until killed, holding callers to one limit of their organisation."""
    settings = GatewaySettings(
        auth_target="unused:1",
        cache_target="unused:1",
        audit_target="unused:1",
        models={"echo": "unused:1"},
        admission_redis_url=SecretStr(redis_url),
        replicas=3,
        spool_directory=Path("unused"),
        default_requests_per_minute=10**9,
    )
    accounts = MemoryAccounts()
    accounts.principals[KEY] = replace(PRINCIPAL, limits=(Limit(kind, SUBJECT, amount),))
    late = LoopLateness()
    router = fixed_router({"echo": Holding()}, refresh_seconds=3600)
    tasks = [asyncio.create_task(work) for work in (late.watch(), router.keep_fresh())]
    limiter = _limiter(settings, late, frozen_now)
    await router.known.wait()
    try:
        await _serve(settings, _neighbours(settings, accounts, limiter, router))
    finally:
        for task in tasks:
            task.cancel()


def _limiter(settings: GatewaySettings, late: LoopLateness, frozen_now: int) -> FallbackLimiter:
    """As app.py has it, with a clock that stands still if there is a time for it."""
    shared = RedisLimiter(
        settings.admission_redis_url.get_secret_value(),
        timeout_seconds=settings.admission_timeout_seconds,
        lateness=late.seconds,
        frozen_now=frozen_now,
    )
    return with_fallback(shared, settings, SystemClock(), CollectorRegistry(), late.seconds)


def _neighbours(
    settings: GatewaySettings, accounts: MemoryAccounts, limiter: FallbackLimiter, router: Router
) -> Neighbours:
    clock = SystemClock()
    policies = shipped_policies(maximum_prompt_characters=settings.maximum_prompt_characters)
    return Neighbours(
        resolver=accounts,
        verifier=accounts,
        published_keys=accounts,
        accounts=accounts,
        limiter=limiter,
        leases=Leases(limiter, lease_seconds=settings.admission_lease_seconds),
        answers=MemoryAnswerStore(),
        event_log=MemoryEventLog(),
        router=router,
        ended=Ended(accounts, clock, keep_seconds=600),
        key_uses=KeyUses(accounts, clock, report_seconds=3600),
        guard_policies=MemoryGuardPolicies(policies),
    )


async def _serve(settings: GatewaySettings, neighbours: Neighbours) -> None:
    doors = build(
        settings, neighbours, Readiness({}), clock=SystemClock(), registry=CollectorRegistry()
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    config = uvicorn.Config(
        doors.http, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False
    )
    await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    configure_logging("gateway", "benchmark", "ERROR")
    uvloop.run(main(sys.argv[1], LimitKind(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
