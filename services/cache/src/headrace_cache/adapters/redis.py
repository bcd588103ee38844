"""An EntryStore in Redis, shared by all replicas."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from headrace_common.errors import HeadraceError, Reason

T = TypeVar("T")


class RedisEntryStore:
    """One key per entry, expired by Redis itself."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            max_connections=64,
        )

    async def get(self, name: str) -> bytes | None:
        payload = await self._answer(self._redis.get(name))
        return payload.encode() if isinstance(payload, str) else payload

    async def put(self, name: str, payload: bytes, seconds: int) -> None:
        await self._answer(self._redis.set(name, payload, ex=seconds))

    async def ping(self) -> None:
        await self._answer(self._redis.ping())

    async def close(self) -> None:
        await self._redis.aclose()

    async def _answer(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE, "the cache's store does not answer"
            ) from error
