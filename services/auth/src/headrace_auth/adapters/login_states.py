"""LoginStates in the Redis that all replicas share, and in this process's memory."""

import hashlib
import json
from dataclasses import asdict
from datetime import datetime

from headrace_auth.domain.pending_login import PendingLogin
from headrace_common.clock import Clock
from headrace_common.redis import create_redis, redis_deadline

SORRY = "the store of logins does not answer"


class RedisLoginStates:
    """One key per login, named by the state's digest, so that reading names tells no state."""

    def __init__(self, url: str, *, timeout_seconds: float, maximum_connections: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )

    async def put(self, state: str, data: PendingLogin, seconds: int) -> None:
        async with redis_deadline(self._timeout_seconds, SORRY):
            await self._redis.set(key_of(state), _write(data), ex=seconds)

    async def take(self, state: str) -> PendingLogin | None:
        async with redis_deadline(self._timeout_seconds, SORRY):
            text = await self._redis.getdel(key_of(state))
        return None if text is None else _read(text)

    async def close(self) -> None:
        await self._redis.aclose()


class MemoryLoginStates:
    """For tests and trials; forgets what has expired whenever something is put."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, PendingLogin]] = {}

    async def put(self, state: str, data: PendingLogin, seconds: int) -> None:
        now = self._clock.monotonic()
        self._kept = {key: entry for key, entry in self._kept.items() if entry[0] > now}
        self._kept[state] = (now + seconds, data)

    async def take(self, state: str) -> PendingLogin | None:
        until, data = self._kept.pop(state, (0.0, None))
        return data if until > self._clock.monotonic() else None


def key_of(state: str) -> str:
    """The Redis key of a state."""
    return f"auth:login-state:{hashlib.sha256(state.encode()).hexdigest()}"


def _write(data: PendingLogin) -> str:
    return json.dumps({**asdict(data), "created_at": data.created_at.isoformat()})


def _read(text: str | bytes) -> PendingLogin | None:
    """None for what another version of this program wrote: the person starts again."""
    try:
        values = json.loads(text)
        created_at = datetime.fromisoformat(values.pop("created_at"))
        return PendingLogin(**values, created_at=created_at)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
