"""The Redis limiter passes the limiters' suite, is exact across gateways, sees revocations."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.redis_limiter import RedisRateLimiter, revocation_key
from headrace_gateway.domain.rates import Charge
from headrace_gateway.testing.limiter_suite import (
    ENDABLE,
    ENDS,
    PRINCIPAL,
    REQUESTS,
    TOKENS,
    RateLimiterSuite,
    Revoke,
)

NOW = 1_800_000_000_000_000


async def _limiter(url: str, now: int = NOW) -> AsyncIterator[RedisRateLimiter]:
    limiter = RedisRateLimiter(url, timeout_seconds=5, maximum_connections=8, frozen_now=now)
    yield limiter
    await limiter.close()


class TestRedisRateLimiter(RateLimiterSuite):
    @pytest.fixture
    async def limiter(self, redis_url: str) -> AsyncIterator[RedisRateLimiter]:
        async for limiter in _limiter(redis_url):
            yield limiter

    @pytest.fixture
    def revoke(self, redis_url: str) -> Revoke:
        async def revoke(organization_id: str, revocation_id: str) -> None:
            announcer = RedisRevocationAnnouncer(
                redis_url, timeout_seconds=5, maximum_connections=1
            )
            await announcer.announce(organization_id, [revocation_id])
            await announcer.close()

        return revoke


async def test_three_gateways_admit_exactly_the_limit_together(redis_url: str) -> None:
    gateways = [
        RedisRateLimiter(redis_url, timeout_seconds=5, maximum_connections=8, frozen_now=NOW)
        for _ in range(3)
    ]
    charge = Charge(replace(REQUESTS, amount=200), 1)
    answers = await asyncio.gather(
        *(gateways[i % 3].admit(PRINCIPAL, [charge]) for i in range(1000))
    )
    assert sum(answer.refused_by is None for answer in answers) == 200
    for gateway in gateways:
        await gateway.close()


async def test_time_makes_room_again(redis_url: str) -> None:
    async for limiter in _limiter(redis_url):
        await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 7)])
    seventh = 60_000_000 // 7 + 1
    async for limiter in _limiter(redis_url, NOW + seventh):
        answers = [await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 1)]) for _ in range(2)]
        assert [answer.refused_by is None for answer in answers] == [True, False]


async def test_redis_own_clock_is_used_outside_tests(redis_url: str) -> None:
    async for limiter in _limiter(redis_url, 0):
        answers = [await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 7)]) for _ in range(2)]
        assert [answer.refused_by is None for answer in answers] == [True, False]
    async with Redis.from_url(redis_url) as redis:
        [name] = [key async for key in redis.scan_iter("admission:*")]
        assert 0 < await redis.pttl(name) <= 62_000


async def test_a_revoked_credential_is_told_and_charged_nothing(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        marker = revocation_key(ENDABLE.organization_id, ENDS[2])
        await redis.set(marker, "1")
        async for limiter in _limiter(redis_url):
            assert (await limiter.admit(ENDABLE, [Charge(REQUESTS, 1)])).revoked
            assert [key async for key in redis.scan_iter("admission:*requests*")] == []


async def test_an_end_is_seen_by_every_gateway_at_once(redis_url: str) -> None:
    gateways = [
        RedisRateLimiter(redis_url, timeout_seconds=5, maximum_connections=8) for _ in range(3)
    ]
    announcer = RedisRevocationAnnouncer(redis_url, timeout_seconds=5, maximum_connections=1)
    charge = Charge(REQUESTS, 0)
    assert not any([(await gateway.admit(ENDABLE, [charge])).revoked for gateway in gateways])
    await announcer.announce(ENDABLE.organization_id, ["unknown", ENDS[-1]])
    assert all([(await gateway.admit(ENDABLE, [charge])).revoked for gateway in gateways])
    await announcer.close()
    for gateway in gateways:
        await gateway.close()


async def test_all_keys_of_an_organisation_are_in_one_slot_of_a_cluster(redis_url: str) -> None:
    async for limiter in _limiter(redis_url):
        await limiter.admit(ENDABLE, [Charge(REQUESTS, 1), Charge(TOKENS, 1)])
    announcer = RedisRevocationAnnouncer(redis_url, timeout_seconds=5, maximum_connections=1)
    await announcer.announce(ENDABLE.organization_id, ENDS)
    await announcer.close()
    async with Redis.from_url(redis_url) as redis:
        keys = [key async for key in redis.scan_iter("*")]
    assert len(keys) == 2 + len(ENDS)
    assert {key_slot(key) for key in keys} == {key_slot(b"o1")}


async def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    limiter = RedisRateLimiter(
        f"unix://{tmp_path}/nobody.sock", timeout_seconds=0.5, maximum_connections=8
    )
    with pytest.raises(HeadraceError) as caught:
        await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 1)])
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await limiter.close()


@pytest.mark.parametrize("ticks", range(14))
async def test_a_hang_up_is_never_swallowed_and_leaves_the_connection_usable(
    redis_url: str, ticks: int
) -> None:
    async for limiter in _limiter(redis_url):
        await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 1)])
        asking = asyncio.ensure_future(limiter.admit(PRINCIPAL, [Charge(REQUESTS, 1)]))
        for _ in range(ticks):
            await asyncio.sleep(0)
        if asking.done():
            return
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        assert not (await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 1)])).revoked
