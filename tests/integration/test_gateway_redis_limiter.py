"""The Redis limiter passes the limiters' suites, is exact across gateways, sees revocations."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis
from redis.crc import key_slot

from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.redis_limiter import RedisLimiter, revocation_key
from headrace_gateway.domain.admission import Charge, Holding
from headrace_gateway.domain.budgets import Period
from headrace_gateway.domain.principal import Limit
from headrace_gateway.testing.limiter_suite import (
    ENDABLE,
    ENDS,
    LEASE_SECONDS,
    PLACES,
    PRINCIPAL,
    REQUESTS,
    TOKENS,
    Advance,
    RateSuite,
    RevocationSuite,
    Revoke,
    admit,
)
from headrace_gateway.testing.reservation_suite import (
    BUDGET,
    DAY_SECONDS,
    TODAY,
    TOMORROW,
    BudgetSuite,
    PlaceSuite,
    costing,
    left,
)
from headrace_gateway.testing.spending_schedules import (
    SCHEDULES,
    Schedule,
    World,
    expect_the_budget_holds,
)

NOW = 1_800_000_000_000_000


def _limiter(url: str, now: int = NOW) -> RedisLimiter:
    return RedisLimiter(
        url,
        timeout_seconds=5,
        lease_seconds=LEASE_SECONDS,
        frozen_now=now,
    )


@asynccontextmanager
async def _limiters(url: str, count: int = 1, now: int = NOW) -> AsyncIterator[list[RedisLimiter]]:
    limiters = [_limiter(url, now) for _ in range(count)]
    yield limiters
    for limiter in limiters:
        await limiter.close()


def _advance(limiter: RedisLimiter) -> Advance:
    def advance(seconds: float) -> None:
        limiter.frozen_now += round(seconds * 1_000_000)

    return advance


class TestRedisLimiter(RateSuite, RevocationSuite, PlaceSuite, BudgetSuite):
    @pytest.fixture
    async def limiter(self, redis_url: str) -> AsyncIterator[RedisLimiter]:
        async with _limiters(redis_url) as [limiter]:
            yield limiter

    @pytest.fixture
    def advance(self, limiter: RedisLimiter) -> Advance:
        return _advance(limiter)

    @pytest.fixture
    def revoke(self, redis_url: str) -> Revoke:
        async def revoke(organization_id: str, revocation_id: str) -> None:
            announcer = RedisRevocationAnnouncer(
                redis_url, timeout_seconds=5, maximum_connections=1
            )
            await announcer.announce(organization_id, [revocation_id])
            await announcer.close()

        return revoke


@given(SCHEDULES)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_happens_the_budget_holds(redis_url: str, schedule: Schedule) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_url) as redis:
            await redis.flushall()
        async with _limiters(redis_url) as [limiter]:
            await expect_the_budget_holds(World(limiter, _advance(limiter)), schedule)

    asyncio.run(run())


@pytest.mark.parametrize("limit", [REQUESTS, PLACES], ids=lambda limit: limit.kind)
async def test_three_gateways_admit_exactly_the_limit_together(
    redis_url: str, limit: Limit
) -> None:
    charge = Charge(replace(limit, amount=200), 1)
    async with _limiters(redis_url, 3) as gateways:
        answers = await asyncio.gather(
            *(admit(gateways[i % 3], charge, request_id=f"r{i}") for i in range(1000))
        )
    assert sum(answer.refused_by is None for answer in answers) == 200


async def test_three_gateways_reserve_exactly_the_budget_together(redis_url: str) -> None:
    async with _limiters(redis_url, 3) as gateways:
        answers = await asyncio.gather(
            *(gateways[i % 3].admit(PRINCIPAL, costing(10, f"r{i}")) for i in range(300))
        )
    assert sum(answer.refused_by is None for answer in answers) == BUDGET.amount_micros // 10


async def test_what_a_period_leaves_goes_a_day_after_its_end(redis_url: str) -> None:
    async with _limiters(redis_url) as [limiter]:
        await limiter.admit(PRINCIPAL, costing(10, "r1", places=True))
    async with Redis.from_url(redis_url) as redis:
        left = {key: await redis.pttl(key) async for key in redis.scan_iter("*")}
    budget = [milliseconds for key, milliseconds in left.items() if b":budget:" in key]
    assert len(budget) == 2
    assert all(2 * 86_400_000 - 60_000 < milliseconds <= 2 * 86_400_000 for milliseconds in budget)
    assert len(left) == 3
    assert min(left.values()) <= 31_000


async def test_budgets_go_by_the_clock_that_gateways_share(redis_url: str) -> None:
    yesterday = Period(TODAY.start - DAY_SECONDS, TODAY.start)
    async with _limiters(redis_url) as [limiter], Redis.from_url(redis_url) as redis:
        for other in (yesterday, TOMORROW):
            wanted = costing(10, "r1", period=other, places=True)
            rate = replace(wanted, charges=(Charge(REQUESTS, 1), *wanted.charges))
            told = await limiter.admit(PRINCIPAL, rate)
            assert (told.in_other_period, told.decided_at) == (True, NOW / 1_000_000)
            assert [key async for key in redis.scan_iter("*")] == []
        assert not (await limiter.admit(PRINCIPAL, costing(10, "r1"))).in_other_period


async def test_a_lease_that_begins_again_goes_with_its_period(redis_url: str) -> None:
    held = costing(800, "r1")
    async with _limiters(redis_url) as [limiter], Redis.from_url(redis_url) as redis:
        await limiter.admit(PRINCIPAL, held)
        limiter.frozen_now += round((LEASE_SECONDS + 1) * 1_000_000)
        await left(limiter)
        await limiter.renew([Holding(held, 200, 800)])
        times = [await redis.pttl(key) async for key in redis.scan_iter("*budget*")]
    assert len(times) == 2
    assert min(times) > 86_400_000


async def test_a_redis_that_would_forget_limits_is_told_from_one_that_does_not(
    redis_url: str,
) -> None:
    async with Redis.from_url(redis_url) as redis, _limiters(redis_url) as [limiter]:
        found = []
        for policy, maximum in (("allkeys-lru", 0), ("allkeys-lru", 10**9), ("noeviction", 10**9)):
            await redis.config_set("maxmemory-policy", policy)
            await redis.config_set("maxmemory", maximum)
            found.append(await limiter.may_forget())
        await redis.config_set("maxmemory", 0)
    assert found == [False, True, False]


async def test_time_makes_room_again(redis_url: str) -> None:
    async with _limiters(redis_url) as [limiter]:
        await admit(limiter, Charge(REQUESTS, 7))
    seventh = 60_000_000 // 7 + 1
    async with _limiters(redis_url, now=NOW + seventh) as [limiter]:
        answers = [await admit(limiter, Charge(REQUESTS, 1)) for _ in range(2)]
        assert [answer.refused_by is None for answer in answers] == [True, False]


async def test_redis_own_clock_is_used_outside_tests(redis_url: str) -> None:
    async with _limiters(redis_url, now=0) as [limiter]:
        answers = [await admit(limiter, Charge(REQUESTS, 7)) for _ in range(2)]
        assert [answer.refused_by is None for answer in answers] == [True, False]
    async with Redis.from_url(redis_url) as redis:
        [name] = [key async for key in redis.scan_iter("admission:*")]
        assert 0 < await redis.pttl(name) <= 121_000


async def test_a_revoked_credential_is_told_and_charged_nothing(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        marker = revocation_key(ENDABLE.organization_id, ENDS[2])
        await redis.set(marker, "1")
        async with _limiters(redis_url) as [limiter]:
            assert (await admit(limiter, Charge(REQUESTS, 1), principal=ENDABLE)).revoked
            assert [key async for key in redis.scan_iter("admission:*requests*")] == []


async def test_an_end_is_seen_by_every_gateway_at_once(redis_url: str) -> None:
    gateways = [_limiter(redis_url, 0) for _ in range(3)]
    announcer = RedisRevocationAnnouncer(redis_url, timeout_seconds=5, maximum_connections=1)
    charge = Charge(REQUESTS, 0)
    assert not any([(await admit(each, charge, principal=ENDABLE)).revoked for each in gateways])
    await announcer.announce(ENDABLE.organization_id, ["unknown", ENDS[-1]])
    assert all([(await admit(each, charge, principal=ENDABLE)).revoked for each in gateways])
    await announcer.close()
    for gateway in gateways:
        await gateway.close()


async def test_all_keys_of_an_organisation_are_in_one_slot_of_a_cluster(redis_url: str) -> None:
    async with _limiters(redis_url) as [limiter]:
        wanted = costing(10, "r1", places=True)
        rates = (Charge(REQUESTS, 1), Charge(TOKENS, 1))
        await limiter.admit(ENDABLE, replace(wanted, charges=(*rates, *wanted.charges)))
    announcer = RedisRevocationAnnouncer(redis_url, timeout_seconds=5, maximum_connections=1)
    await announcer.announce(ENDABLE.organization_id, ENDS)
    await announcer.close()
    async with Redis.from_url(redis_url) as redis:
        keys = [key async for key in redis.scan_iter("*")]
    assert len(keys) == 5 + len(ENDS)
    assert {key_slot(key) for key in keys} == {key_slot(b"o1")}


async def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    limiter = RedisLimiter(f"unix://{tmp_path}/nobody.sock", timeout_seconds=0.5)
    with pytest.raises(HeadraceError) as caught:
        await admit(limiter, Charge(REQUESTS, 1))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await limiter.close()


@pytest.mark.parametrize("ticks", range(14))
async def test_a_hang_up_is_never_swallowed_and_leaves_the_connection_usable(
    redis_url: str, ticks: int
) -> None:
    async with _limiters(redis_url) as [limiter]:
        await admit(limiter, Charge(REQUESTS, 1))
        asking = asyncio.ensure_future(admit(limiter, Charge(REQUESTS, 1)))
        for _ in range(ticks):  # each turn of the loop is a moment to leave at
            await asyncio.sleep(0)
        if asking.done():
            return
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        assert not (await admit(limiter, Charge(REQUESTS, 1))).revoked
