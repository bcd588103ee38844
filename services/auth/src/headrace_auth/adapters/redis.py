"""Announces revocations through the Redis that all gateways' admission shares."""

from headrace_common.redis import create_redis, redis_deadline

KEPT_SECONDS = 86_400
"""Far longer than any gateway keeps a principal; by then only the database is asked."""


class RedisRevocationAnnouncer:
    """Marks the credential where admission's script looks at every request."""

    def __init__(self, url: str, *, timeout_seconds: float, maximum_connections: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )

    async def announce(self, organization_id: str, credential_id: str) -> None:
        async with redis_deadline(self._timeout_seconds, "admission's Redis does not answer"):
            await self._redis.set(marker(organization_id, credential_id), "1", ex=KEPT_SECONDS)

    async def close(self) -> None:
        await self._redis.aclose()


def marker(organization_id: str, credential_id: str) -> str:
    """The key that admission looks at, in the hash slot of the organisation's other keys."""
    return f"admission:{{{organization_id}}}:revoked:{credential_id}"
