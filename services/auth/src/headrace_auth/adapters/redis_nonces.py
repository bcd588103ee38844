"""Remembers nonces of signed requests in the Redis that all replicas share."""

import hashlib
from datetime import timedelta

from headrace_common.redis import create_redis, redis_deadline


class RedisNonces:
    """Nonces; a nonce is kept as its digest, for it may be anything."""

    def __init__(self, url: str, *, timeout_seconds: float, maximum_connections: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )

    async def burn(self, key_id: str, nonce: str, kept_for: timedelta) -> bool:
        digest = hashlib.sha256(nonce.encode()).hexdigest()
        async with redis_deadline(self._timeout_seconds, "the memory of nonces does not answer"):
            kept = await self._redis.set(f"auth:nonce:{key_id}:{digest}", "1", nx=True, px=kept_for)
        return bool(kept)

    async def close(self) -> None:
        await self._redis.aclose()
