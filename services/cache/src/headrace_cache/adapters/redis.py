"""An EntryStore in Redis, shared by all replicas."""

from contextlib import AbstractAsyncContextManager

from headrace_common.redis import create_redis, redis_deadline


class RedisEntryStore:
    """One key per entry, expired by Redis itself."""

    def __init__(self, url: str, *, timeout_seconds: float, maximum_connections: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )

    async def get(self, name: str) -> bytes | None:
        async with self._deadline():
            payload = await self._redis.get(name)
        return payload.encode() if isinstance(payload, str) else payload

    async def put(self, name: str, payload: bytes, seconds: int) -> None:
        async with self._deadline():
            await self._redis.set(name, payload, ex=seconds)

    async def ping(self) -> None:
        async with self._deadline():
            await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()

    def _deadline(self) -> AbstractAsyncContextManager[None]:
        return redis_deadline(self._timeout_seconds, "the cache's store does not answer")
