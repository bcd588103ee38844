"""UnfinishedLogins in the Redis that all replicas share, and in this process's memory.

What a restart of Redis loses, people begin again; what must outlive it (tokens in mails, codes of
applications) is in the store.
"""

from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from headrace_auth.domain.opaque_secrets import digest
from headrace_common.clock import Clock
from headrace_common.redis import redis_deadline

T = TypeVar("T")
SORRY = "the store of logins does not answer"


class RedisUnfinishedLogins(Generic[T]):
    """One key per secret, named by its digest, so that reading names tells no secret."""

    def __init__(self, redis: Redis, name: str, kind: type[T], *, timeout_seconds: float) -> None:
        """`name` tells stores in one Redis apart; `kind` is a dataclass that JSON can hold."""
        self._redis = redis
        self._name = name
        self._json = TypeAdapter(kind)
        self._timeout_seconds = timeout_seconds

    async def put(self, secret: str, data: T, seconds: int) -> None:
        async with redis_deadline(self._timeout_seconds, SORRY):
            await self._redis.set(
                key_of(self._name, secret), self._json.dump_json(data), ex=seconds
            )

    async def take(self, secret: str) -> T | None:
        async with redis_deadline(self._timeout_seconds, SORRY):
            text = await self._redis.getdel(key_of(self._name, secret))
        return None if text is None else self._read(text)

    def _read(self, text: str | bytes) -> T | None:
        """None for what another version of this program wrote: the person starts again."""
        try:
            return self._json.validate_json(text)
        except ValidationError:
            return None


class MemoryUnfinishedLogins(Generic[T]):
    """For tests and trials; forgets what has expired whenever something is put."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}

    async def put(self, secret: str, data: T, seconds: int) -> None:
        now = self._clock.monotonic()
        self._kept = {key: entry for key, entry in self._kept.items() if entry[0] > now}
        self._kept[secret] = (now + seconds, data)

    async def take(self, secret: str) -> T | None:
        until, data = self._kept.pop(secret, (0.0, None))
        return data if until > self._clock.monotonic() else None


def key_of(name: str, secret: str) -> str:
    """The Redis key of a secret."""
    return f"auth:{name}:{digest(secret).hex()}"
