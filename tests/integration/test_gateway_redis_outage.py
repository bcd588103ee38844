"""A gateway whose admission Redis hangs or dies counts alone, at once, and together again after."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from tests.integration.breakable import BreakableServer, breakable_redis

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.fallback_limiter import FallbackLimiter, FallbackRules
from headrace_gateway.adapters.memory_limiter import MemoryLimiter
from headrace_gateway.adapters.redis_limiter import RedisLimiter
from headrace_gateway.domain.admission import Admission, Charge, Settlement
from headrace_gateway.domain.breaker import Breaker
from headrace_gateway.domain.budgets import Period
from headrace_gateway.testing.limiter_suite import PLACES, PRINCIPAL, REQUESTS, admit
from headrace_gateway.testing.reservation_suite import costing, left

TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 0.2
GRACE_SECONDS = 0.5
NINE = replace(REQUESTS, amount=9)
FAILURES = 3
NOW = Period(int(time.time()) - 3600, int(time.time()) + 3600)


@dataclass(frozen=True, slots=True)
class Rig:
    """A gateway's limiter, one of three, and the Redis behind it."""

    limiter: FallbackLimiter
    breaker: Breaker
    server: BreakableServer

    async def admit(self, *charges: Charge, request_id: str = "r1") -> Admission:
        """Within the deadline, whatever happens."""
        async with asyncio.timeout(TIMEOUT_SECONDS + GRACE_SECONDS):
            return await admit(self.limiter, *charges, request_id=request_id)

    async def expect_together_again(self) -> None:
        """Redis answers; the first request after the breaker's pause finds out."""
        await asyncio.sleep(PAUSE_SECONDS)
        assert not (await self.admit()).local


@asynccontextmanager
async def _rig(server: BreakableServer) -> AsyncIterator[Rig]:
    clock = SystemClock()
    shared = RedisLimiter(server.url, timeout_seconds=TIMEOUT_SECONDS)
    breaker = Breaker(clock, failures=FAILURES, pause_seconds=PAUSE_SECONDS)
    rules = FallbackRules(replicas=3, spend_uncounted=False, slow_seconds=0.4)
    yield Rig(FallbackLimiter(shared, MemoryLimiter(clock), breaker, clock, rules), breaker, server)
    await shared.close()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with breakable_redis() as server, _rig(server) as rig:
        yield rig


async def test_while_redis_hangs_a_share_is_admitted_and_soon_without_waiting(rig: Rig) -> None:
    assert not (await rig.admit(Charge(NINE, 4))).local
    with rig.server.frozen():
        together = await asyncio.gather(*(rig.admit(Charge(NINE, 1)) for _ in range(FAILURES + 1)))
        assert [answer.refused_by is None for answer in together] == [True, True, True, False]
        assert all(answer.local for answer in together)
        assert rig.breaker.is_open
        started = time.monotonic()
        for _ in range(20):
            assert (await rig.admit(Charge(NINE, 1))).refused_by is not None
        # One of them may have tried Redis.
        assert time.monotonic() - started < TIMEOUT_SECONDS + GRACE_SECONDS
        with pytest.raises(HeadraceError) as caught:
            await rig.limiter.admit(PRINCIPAL, costing(1, "r1", period=NOW))
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await rig.expect_together_again()
    # What Redis had counted before, and what reached it although nobody heard its answer.
    assert (await rig.admit(Charge(NINE, 0))).states[0].remaining <= 5


async def test_what_ends_while_redis_hangs_is_settled_when_it_is_back(rig: Rig) -> None:
    held = costing(500, "r1", period=NOW, places=True)
    admission = await rig.limiter.admit(PRINCIPAL, held)
    with rig.server.frozen():
        async with asyncio.timeout(TIMEOUT_SECONDS + GRACE_SECONDS):
            await rig.limiter.settle(Settlement(held, admission, 0, 120))
    await rig.expect_together_again()
    await rig.limiter.renew([])
    assert await left(rig.limiter, period=NOW) == 880
    places = await rig.admit(Charge(PLACES, 1), request_id="r2")
    assert places.states[0].remaining == PLACES.amount - 1


async def test_a_redis_that_was_killed_counts_again_once_it_is_back(rig: Rig) -> None:
    assert not (await rig.admit(Charge(NINE, 1))).local
    for _ in range(2):
        await rig.server.kill()
        await rig.expect_together_again()
        assert (await rig.admit(Charge(NINE, 9))).refused_by is None  # it had kept nothing
