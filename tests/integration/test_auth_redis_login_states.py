"""Logins under way, in Redis: the suites, their expiry, what can be read there, and bad days."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from headrace_auth.adapters.unfinished_logins import RedisUnfinishedLogins, key_of
from headrace_auth.domain.pending_login import LOGIN_SECONDS, PendingLogin
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.testing.identity_providers import (
    PENDING,
    STATE,
    LoginCodesSuite,
    LoginStatesSuite,
    assert_unavailable,
)
from headrace_common.redis import create_redis

STATE_KEY = key_of("login-state", STATE)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = create_redis(redis_url, timeout_seconds=2, maximum_connections=8)
    yield redis
    await redis.aclose()


@pytest.fixture
def states(redis: Redis) -> RedisUnfinishedLogins[PendingLogin]:
    return RedisUnfinishedLogins(redis, "login-state", PendingLogin, timeout_seconds=2)


class TestRedisLoginStates(LoginStatesSuite):
    @pytest.fixture
    def kept(
        self, states: RedisUnfinishedLogins[PendingLogin]
    ) -> RedisUnfinishedLogins[PendingLogin]:
        return states


class TestRedisLoginCodes(LoginCodesSuite):
    @pytest.fixture
    def kept(self, redis: Redis) -> RedisUnfinishedLogins[ProvenLogin]:
        return RedisUnfinishedLogins(redis, "login-code", ProvenLogin, timeout_seconds=2)


async def test_redis_itself_forgets_and_its_keys_tell_no_state(
    states: RedisUnfinishedLogins[PendingLogin], redis: Redis
) -> None:
    await states.put(STATE, PENDING, LOGIN_SECONDS)
    [key] = await redis.keys("*")
    value = await redis.get(key)
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    assert key.decode() == STATE_KEY
    assert key.startswith(b"auth:login-state:")
    assert STATE.encode() not in key + value
    assert LOGIN_SECONDS - 10 < await redis.ttl(key) <= LOGIN_SECONDS


async def test_a_code_is_no_state(
    states: RedisUnfinishedLogins[PendingLogin], redis: Redis
) -> None:
    codes = RedisUnfinishedLogins(redis, "login-code", ProvenLogin, timeout_seconds=2)
    await states.put(STATE, PENDING, LOGIN_SECONDS)
    assert await codes.take(STATE) is None
    assert await states.take(STATE) == PENDING


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"created_at": 1}', "\x00", '{"a": 1}'])
async def test_what_another_version_wrote_is_nothing_and_gone(
    states: RedisUnfinishedLogins[PendingLogin], redis: Redis, text: str
) -> None:
    await redis.set(STATE_KEY, text)
    assert await states.take(STATE) is None
    assert await redis.exists(STATE_KEY) == 0


async def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    nobody = create_redis(
        f"unix://{tmp_path}/nobody.sock", timeout_seconds=0.5, maximum_connections=1
    )
    states = RedisUnfinishedLogins(nobody, "login-state", PendingLogin, timeout_seconds=0.5)
    await assert_unavailable(states.put(STATE, PENDING, LOGIN_SECONDS))
    await assert_unavailable(states.take(STATE))
    await nobody.aclose()
