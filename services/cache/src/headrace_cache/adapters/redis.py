"""An EntryStore in Redis, shared by all replicas."""

from headrace_common.lateness import Lateness, never_late
from headrace_common.redis import REDIS_ERRORS, redis_unavailable
from headrace_common.shared_redis import Argument, SharedRedis


class RedisEntryStore:
    """One key per entry, expired by Redis itself."""

    def __init__(
        self, url: str, *, timeout_seconds: float, lateness: Lateness = never_late
    ) -> None:
        self._redis = SharedRedis(url, timeout_seconds=timeout_seconds, lateness=lateness)

    async def get(self, name: str) -> bytes | None:
        payload: bytes | None = await self._call("GET", name)
        return payload

    async def put(self, name: str, payload: bytes, seconds: int) -> None:
        await self._call("SET", name, payload, "EX", seconds)

    async def ping(self) -> None:
        await self._call("PING")

    async def close(self) -> None:
        await self._redis.close()

    async def _call(self, *command: Argument) -> bytes | None:
        try:
            reply: bytes | None = await self._redis.command(*command)
        except REDIS_ERRORS as error:
            raise redis_unavailable("the cache's store does not answer") from error
        return reply
