"""Logins under way, in Redis: the suite, their expiry, what can be read there, and bad days."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from headrace_auth.adapters.login_states import RedisLoginStates, key_of
from headrace_auth.domain.pending_login import LOGIN_SECONDS
from headrace_auth.testing.identity_providers import (
    PENDING,
    STATE,
    LoginStatesSuite,
    assert_unavailable,
)


@pytest.fixture
async def states(redis_url: str) -> AsyncIterator[RedisLoginStates]:
    states = RedisLoginStates(redis_url, timeout_seconds=2, maximum_connections=8)
    yield states
    await states.close()


class TestRedisLoginStates(LoginStatesSuite):
    pass


async def test_redis_itself_forgets_and_its_keys_tell_no_state(
    states: RedisLoginStates, redis_url: str
) -> None:
    await states.put(STATE, PENDING, LOGIN_SECONDS)
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        [key] = await redis.keys("*")
        assert key == key_of(STATE)
        assert key.startswith("auth:login-state:")
        assert STATE not in key + str(await redis.get(key))
        assert LOGIN_SECONDS - 10 < await redis.ttl(key) <= LOGIN_SECONDS


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"created_at": 1}', "\x00", '{"a": 1}'])
async def test_what_another_version_wrote_is_nothing_and_gone(
    states: RedisLoginStates, redis_url: str, text: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.set(key_of(STATE), text)
        assert await states.take(STATE) is None
        assert await redis.exists(key_of(STATE)) == 0


async def test_an_absent_redis_is_unavailable(tmp_path: Path) -> None:
    states = RedisLoginStates(
        f"unix://{tmp_path}/nobody.sock", timeout_seconds=0.5, maximum_connections=1
    )
    await assert_unavailable(states.put(STATE, PENDING, LOGIN_SECONDS))
    await assert_unavailable(states.take(STATE))
    await states.close()
