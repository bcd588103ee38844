"""Redis as every service uses it: bounded connections, a deadline on each use, one error."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from headrace_common.errors import HeadraceError, Reason

REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""What a Redis raises that fails, is not there or is late."""


def create_redis(url: str, *, timeout_seconds: float, maximum_connections: int) -> Redis:
    """A lazy client for `redis://` or `unix://`; close it with `aclose`.

    When all connections are taken, a call waits for one until its deadline. There is no
    `socket_timeout`: with one, redis-py writes under `asyncio.wait_for`, which on Python 3.11
    swallows a cancellation that comes at the wrong moment. `redis_deadline` bounds every use.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        timeout=timeout_seconds,
        socket_timeout=None,
        socket_connect_timeout=timeout_seconds,
        max_connections=maximum_connections,
    )
    return Redis.from_pool(pool)


@asynccontextmanager
async def redis_deadline(seconds: float, sorry: str) -> AsyncIterator[None]:
    """Give the block so long; a Redis that fails or is late raises DEPENDENCY_UNAVAILABLE.

    `sorry` is the error's message, made for callers.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except REDIS_ERRORS as error:
        raise redis_unavailable(sorry) from error


def redis_unavailable(sorry: str) -> HeadraceError:
    """What any of REDIS_ERRORS is to callers."""
    return HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, sorry, retry_after_seconds=1)
