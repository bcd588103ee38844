"""Announces revocations through the Redis that all gateways' admission shares."""

from collections.abc import Iterable

from headrace_auth.domain.announcements import REVOCATIONS_KEPT
from headrace_common.redis import create_redis, redis_deadline

KEPT_SECONDS = int(REVOCATIONS_KEPT.total_seconds())


class RedisRevocationAnnouncer:
    """Marks revocation ids where admission's script looks at every request."""

    def __init__(self, url: str, *, timeout_seconds: float, maximum_connections: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )

    async def announce(self, organization_id: str, revocation_ids: Iterable[str]) -> None:
        # One organisation's keys are in one hash slot, so this works on a cluster, too.
        batch = self._redis.pipeline(transaction=False)
        for revocation_id in revocation_ids:
            batch.set(marker(organization_id, revocation_id), "1", ex=KEPT_SECONDS)
        async with redis_deadline(self._timeout_seconds, "admission's Redis does not answer"):
            await batch.execute()

    async def close(self) -> None:
        await self._redis.aclose()


def marker(organization_id: str, revocation_id: str) -> str:
    """The key that admission looks at, in the hash slot of the organisation's other keys."""
    return f"admission:{{{organization_id}}}:revoked:{revocation_id}"
