"""Limits and budgets counted in Redis, so that all replicas share them exactly."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import resources
from typing import Any

from redis.commands.core import AsyncScript

from headrace_common.redis import create_redis, redis_deadline
from headrace_gateway.domain.admission import (
    Admission,
    BudgetState,
    Charge,
    Demand,
    Holding,
    LimitState,
    Settlement,
)
from headrace_gateway.domain.principal import Principal

MICROSECONDS = 1_000_000
RENEWED_AT_ONCE = 100
KEPT_SECONDS = 24 * 60 * 60
"""How long a period is known after its end, for those that are settled only then."""


class RedisLimiter:
    """One Lua call to admit and one to settle; every key of an organisation is in one hash slot."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        maximum_connections: int,
        lease_seconds: float = 30.0,
        frozen_now: int = 0,
    ) -> None:
        """`frozen_now` (microseconds since 1970) replaces Redis's clock, for tests."""
        self._timeout_seconds = timeout_seconds
        self._lease = round(lease_seconds * MICROSECONDS)
        self.frozen_now = frozen_now
        self._redis = create_redis(
            url, timeout_seconds=timeout_seconds, maximum_connections=maximum_connections
        )
        self._admission = self._script("admission.lua")
        self._renewal = self._script("renewal.lua")
        self._settlement = self._script("settlement.lua")

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        rates, places, budgets = demand.rates, demand.places, demand.budget_charges
        organization_id = demand.organization_id
        keys = [
            *(_limit_key(organization_id, charge) for charge in (*rates, *places)),
            *_budget_keys(demand),
            *(revocation_key(organization_id, each) for each in principal.revocation_ids),
        ]
        arguments: list[str | int] = [self.frozen_now, self._lease, demand.request_id]
        arguments += (len(rates), len(places), len(budgets))
        for charge in rates:
            arguments += (charge.limit.amount, charge.cost)
        arguments += (charge.limit.amount for charge in places)
        for each in budgets:
            gone = (each.period.end + KEPT_SECONDS) * MICROSECONDS
            arguments += (each.budget.amount_micros, each.cost_micros, gone)
        async with self._deadline():
            reply: Any = await self._admission(keys=keys, args=arguments)
        return _decision(demand, reply)

    async def extend(self, holding: Holding, more_micros: int) -> int:
        async with self._deadline():
            granted: Any = await self._renew(holding, more_micros)
        return int(granted)

    async def renew(self, holdings: Sequence[Holding]) -> None:
        for start in range(0, len(holdings), RENEWED_AT_ONCE):
            async with self._deadline(), self._redis.pipeline(transaction=False) as pipeline:
                for holding in holdings[start : start + RENEWED_AT_ONCE]:
                    await self._renew(holding, 0, pipeline)
                await pipeline.execute()

    async def settle(self, settlement: Settlement) -> None:
        demand, corrections = settlement.demand, settlement.corrections
        organization_id = demand.organization_id
        decided_at = settlement.admission.decided_at if settlement.admission else 0.0
        keys = [
            *(_limit_key(organization_id, charge) for charge in (*corrections, *demand.places)),
            *_budget_keys(demand),
        ]
        arguments: list[str | int] = [self.frozen_now, round(decided_at * MICROSECONDS)]
        arguments += (demand.request_id, len(corrections), len(demand.places))
        arguments.append(settlement.cost_micros)
        for charge in corrections:
            arguments += (charge.limit.amount, charge.cost)
        async with self._deadline():
            await self._settlement(keys=keys, args=arguments)

    async def may_forget(self) -> bool:
        """Whether this Redis evicts keys when its memory is full, and limits with them."""
        async with self._deadline():
            memory: Any = await self._redis.info("memory")
        return bool(memory["maxmemory"]) and memory["maxmemory_policy"] != "noeviction"

    async def close(self) -> None:
        await self._redis.aclose()

    async def _renew(self, holding: Holding, more_micros: int, client: Any = None) -> Any:
        demand = holding.demand
        places = [_limit_key(demand.organization_id, charge) for charge in demand.places]
        arguments: list[str | int] = [self.frozen_now, self._lease, demand.request_id]
        arguments += (len(places), holding.used_micros, more_micros)
        arguments += (each.budget.amount_micros for each in demand.budget_charges)
        return await self._renewal(
            keys=[*places, *_budget_keys(demand)], args=arguments, client=client
        )

    def _script(self, name: str) -> AsyncScript:
        here = resources.files("headrace_gateway.adapters")
        parts = (here.joinpath(each).read_text() for each in ("limiter_common.lua", name))
        return self._redis.register_script("\n".join(parts))

    def _deadline(self) -> AbstractAsyncContextManager[None]:
        return redis_deadline(self._timeout_seconds, "Limits cannot be checked at the moment.")


def revocation_key(organization_id: str, revocation_id: str) -> str:
    """Where `auth` marks that principals with this revocation id have ended."""
    return f"admission:{{{organization_id}}}:revoked:{revocation_id}"


def _limit_key(organization_id: str, charge: Charge) -> str:
    limit = charge.limit
    return f"admission:{{{organization_id}}}:{limit.kind}:{limit.subject}:{limit.model or '*'}"


def _budget_keys(demand: Demand) -> Iterable[str]:
    """Account and leases of each budget; another currency or period begins another account."""
    for each in demand.budget_charges:
        budget = each.budget
        whose = f"{budget.subject}:{budget.model or '*'}"
        when = f"{budget.currency}:{budget.period}:{each.period.start}"
        account = f"admission:{{{demand.organization_id}}}:budget:{whose}:{when}"
        yield account
        yield f"{account}:leases"


def _decision(demand: Demand, reply: Sequence[int]) -> Admission:
    revoked, refused_by, decided_at = reply[:3]
    if revoked:
        return Admission(revoked=True)
    numbers = iter(reply[3:])
    states = [
        LimitState(
            charge.limit, next(numbers), next(numbers) / MICROSECONDS, next(numbers) / MICROSECONDS
        )
        for charge in demand.rates
    ]
    states += (LimitState(charge.limit, next(numbers), 0.0, 0.0) for charge in demand.places)
    budget_states = [
        BudgetState(each, next(numbers), next(numbers)) for each in demand.budget_charges
    ]
    everything: list[LimitState | BudgetState] = [*states, *budget_states]
    return Admission(
        revoked=False,
        states=tuple(states),
        budget_states=tuple(budget_states),
        refused_by=everything[refused_by - 1] if refused_by else None,
        decided_at=decided_at / MICROSECONDS,
    )
