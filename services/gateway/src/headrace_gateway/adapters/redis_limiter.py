"""Rates counted in Redis, so that all replicas share them exactly."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from importlib import resources
from typing import Any

from headrace_common.redis import create_redis, redis_deadline
from headrace_gateway.domain.principal import Limit, Principal
from headrace_gateway.domain.rates import Admission, Charge, RateState

MICROSECONDS = 1_000_000


class RedisRateLimiter:
    """One Lua call to admit and one to settle; every key of an organisation is in one hash slot."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        maximum_connections: int,
        frozen_now: int = 0,
    ) -> None:
        """`frozen_now` (microseconds since 1970) replaces Redis's clock, for tests."""
        self._timeout_seconds = timeout_seconds
        self._now = frozen_now
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )
        here = resources.files("headrace_gateway.adapters")
        self._admission = self._redis.register_script(here.joinpath("admission.lua").read_text())
        self._settlement = self._redis.register_script(here.joinpath("settlement.lua").read_text())

    async def admit(self, principal: Principal, charges: Sequence[Charge]) -> Admission:
        keys = [
            *(_bucket_key(principal, charge.limit) for charge in charges),
            *(revocation_key(principal.organization_id, each) for each in principal.revocation_ids),
        ]
        async with self._deadline():
            reply: Any = await self._admission(keys=keys, args=self._arguments(charges))
        revoked, refused_by, decided_at, numbers = reply[0] == 1, reply[1], reply[2], reply[3:]
        if revoked:
            return Admission(revoked=True, states=())
        states = tuple(
            RateState(
                limit=charge.limit,
                remaining=numbers[3 * i],
                reset_seconds=numbers[3 * i + 1] / MICROSECONDS,
                retry_seconds=numbers[3 * i + 2] / MICROSECONDS,
            )
            for i, charge in enumerate(charges)
        )
        return Admission(
            revoked=False,
            states=states,
            refused_by=states[refused_by - 1] if refused_by else None,
            decided_at=decided_at / MICROSECONDS,
        )

    async def settle(
        self, principal: Principal, admission: Admission, corrections: Sequence[Charge]
    ) -> None:
        keys = [_bucket_key(principal, charge.limit) for charge in corrections]
        decided_at = round(admission.decided_at * MICROSECONDS)
        async with self._deadline():
            await self._settlement(keys=keys, args=[decided_at, *self._arguments(corrections)])

    async def close(self) -> None:
        await self._redis.aclose()

    def _arguments(self, charges: Sequence[Charge]) -> list[int]:
        arguments = [self._now]
        for charge in charges:
            arguments += (charge.limit.amount, charge.cost)
        return arguments

    def _deadline(self) -> AbstractAsyncContextManager[None]:
        return redis_deadline(self._timeout_seconds, "Limits cannot be checked at the moment.")


def revocation_key(organization_id: str, revocation_id: str) -> str:
    """Where `auth` marks that principals with this revocation id have ended."""
    return f"admission:{{{organization_id}}}:revoked:{revocation_id}"


def _bucket_key(principal: Principal, limit: Limit) -> str:
    model = limit.model or "*"
    return f"admission:{{{principal.organization_id}}}:{limit.kind}:{limit.subject}:{model}"
