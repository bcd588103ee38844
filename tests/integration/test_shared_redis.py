"""Scripts over one connection, against a real Redis that is killed, frozen and emptied."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from tests.integration.breakable import BreakableServer, breakable_redis

from headrace_common.lateness import never_late
from headrace_common.shared_redis import SharedRedis
from headrace_common.testing.tasks import settle

ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
ECHO = "return {ARGV[1], ARGV[2]}"
FAIL = "return redis.error_reply('it fails')"
SCRIPTS = (ADD, ECHO, FAIL)


@asynccontextmanager
async def scripts_at(url: str, seconds: float = 5) -> AsyncIterator[SharedRedis]:
    scripts = SharedRedis(url, SCRIPTS, timeout_seconds=seconds, lateness=never_late)
    yield scripts
    await scripts.close()


@pytest.fixture
async def broken() -> AsyncIterator[BreakableServer]:
    async with breakable_redis() as server:
        yield server


async def test_replies_find_their_calls(redis_url: str) -> None:
    async with scripts_at(redis_url) as scripts:
        told = await asyncio.gather(
            *(scripts.run(ECHO, [], [n, f"é\0\r\n{n}"]) for n in range(500))
        )
    assert told == [[str(n).encode(), f"é\0\r\n{n}".encode()] for n in range(500)]


async def test_a_script_that_fails_fails_alone(redis_url: str) -> None:
    async with scripts_at(redis_url) as scripts:
        calls = [(ADD, ["fails-alone"], [1]), (FAIL, [], []), (ADD, ["fails-alone"], [1])]
        told = await asyncio.gather(*(scripts.run(*call) for call in calls), return_exceptions=True)
    assert told[::2] == [1, 2]
    assert isinstance(told[1], ResponseError)
    assert str(told[1]) == "it fails"


async def test_who_leaves_gets_nobody_elses_reply_into_trouble(broken: BreakableServer) -> None:
    async with scripts_at(broken.url) as scripts:
        await scripts.run(ECHO, [], ["connect", ""])
        with broken.frozen():  # so that all have asked, and nobody has a reply
            calls = [asyncio.create_task(scripts.run(ECHO, [], [n, ""])) for n in range(20)]
            await settle()
            for call in calls[::2]:
                call.cancel()
        told = await asyncio.gather(*calls, return_exceptions=True)
    assert told[1::2] == [[str(n).encode(), b""] for n in range(1, 20, 2)]
    assert all(isinstance(answer, asyncio.CancelledError) for answer in told[::2])


async def test_scripts_that_were_flushed_are_told_again_and_run_once(redis_url: str) -> None:
    async with scripts_at(redis_url) as scripts, Redis.from_url(redis_url) as redis:
        assert await scripts.run(ADD, ["flushed"], [1]) == 1
        await redis.script_flush()
        assert await scripts.run(ADD, ["flushed"], [1]) == 2


async def test_the_database_of_the_url_is_used(broken: BreakableServer) -> None:
    other = broken.url.replace("db=0", "db=9")
    assert other != broken.url
    async with scripts_at(other) as scripts, Redis.from_url(other) as redis:
        await scripts.run(ADD, ["database"], [3])
        assert await redis.get("database") == b"3"
    async with Redis.from_url(broken.url) as redis:
        assert await redis.get("database") is None


async def test_a_password_is_told(broken: BreakableServer) -> None:
    async with Redis.from_url(broken.url) as redis:
        await redis.acl_setuser(
            "gateway", enabled=True, passwords=["+p w"], categories=["+@all"], keys=["*"]
        )
        await redis.acl_setuser("default", enabled=False)
    known = broken.url.replace("unix://", "unix://gateway:p%20w@")
    async with scripts_at(known) as scripts:
        assert await scripts.run(ADD, ["known"], [1]) == 1
    async with scripts_at(broken.url) as scripts:
        with pytest.raises(ResponseError, match="NOAUTH"):
            await scripts.run(ADD, ["unknown"], [1])


async def test_a_killed_server_fails_what_waits_and_is_met_again(
    broken: BreakableServer,
) -> None:
    async with scripts_at(broken.url) as scripts:
        assert await scripts.run(ADD, ["n"], [1]) == 1
        await broken.kill()
        assert await scripts.run(ECHO, [], ["a", "b"]) == [b"a", b"b"]


async def test_a_frozen_server_costs_the_deadline_and_no_more(broken: BreakableServer) -> None:
    async with scripts_at(broken.url, seconds=0.2) as scripts:
        assert await scripts.run(ADD, ["m"], [1]) == 1
        with broken.frozen():
            calls = (scripts.run(ADD, ["m"], [1]) for _ in range(10))
            async with asyncio.timeout(5):
                told = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, TimeoutError | RedisConnectionError) for each in told)
        assert await scripts.run(ECHO, [], ["a", "b"]) == [b"a", b"b"]


async def test_nobody_at_the_address_is_an_os_error() -> None:
    async with scripts_at("unix:///nowhere/redis.sock") as scripts:
        with pytest.raises(OSError, match="No such file"):
            await scripts.run(ADD, ["n"], [1])


async def test_closing_fails_whoever_still_waits(broken: BreakableServer) -> None:
    scripts = SharedRedis(broken.url, SCRIPTS, timeout_seconds=5, lateness=never_late)
    await scripts.run(ADD, ["c"], [1])
    with broken.frozen():
        waiting = asyncio.create_task(scripts.run(ADD, ["c"], [1]))
        await settle()
        await scripts.close()
        with pytest.raises(RedisConnectionError):
            await waiting
