"""Rates counted in Redis, so that all replicas share them exactly."""

import asyncio
from collections.abc import Awaitable, Sequence
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.principal import Limit, Principal
from headrace_gateway.domain.rates import Admission, Charge, RateState

MICROSECONDS = 1_000_000


class RedisRateLimiter:
    """One Lua call to admit and one to settle; every key of an organisation is in one hash slot."""

    def __init__(self, url: str, *, timeout_seconds: float, frozen_now: int = 0) -> None:
        """`frozen_now` (microseconds since 1970) replaces Redis's clock, for tests."""
        self._timeout_seconds = timeout_seconds
        self._now = frozen_now
        self._redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            max_connections=256,
        )
        here = resources.files("headrace_gateway.adapters")
        self._admission = self._redis.register_script(here.joinpath("admission.lua").read_text())
        self._settlement = self._redis.register_script(here.joinpath("settlement.lua").read_text())

    async def admit(self, principal: Principal, charges: Sequence[Charge]) -> Admission:
        keys = [
            revocation_key(principal.organization_id, principal.credential_id),
            *(_bucket_key(principal, charge.limit) for charge in charges),
        ]
        reply = await self._answer(self._admission(keys=keys, args=self._arguments(charges)))
        revoked, refused_by, numbers = reply[0] == 1, reply[1], reply[2:]
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
            revoked=False, states=states, refused_by=states[refused_by - 1] if refused_by else None
        )

    async def settle(self, principal: Principal, corrections: Sequence[Charge]) -> None:
        keys = [_bucket_key(principal, charge.limit) for charge in corrections]
        await self._answer(self._settlement(keys=keys, args=self._arguments(corrections)))

    async def close(self) -> None:
        await self._redis.aclose()

    def _arguments(self, charges: Sequence[Charge]) -> list[int]:
        arguments = [self._now]
        for charge in charges:
            arguments += (charge.limit.amount, charge.cost)
        return arguments

    async def _answer(self, call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE,
                "Limits cannot be checked at the moment.",
                retry_after_seconds=1,
            ) from error


def revocation_key(organization_id: str, credential_id: str) -> str:
    """Where `auth` marks a credential as revoked."""
    return f"admission:{{{organization_id}}}:revoked:{credential_id}"


def _bucket_key(principal: Principal, limit: Limit) -> str:
    model = limit.model or "*"
    return f"admission:{{{principal.organization_id}}}:{limit.kind}:{limit.subject}:{model}"
