"""Limits and budgets counted in Redis, so that all replicas share them exactly."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from importlib import resources
from typing import Any

from headrace_common.lateness import Lateness, never_late
from headrace_common.redis import REDIS_ERRORS, redis_unavailable
from headrace_common.shared_redis import Argument, SharedRedis
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
REVOKED, IN_OTHER_PERIOD = 1, 2
"""How an answer of admission begins that decided on nothing."""


class RedisLimiter:
    """One Lua call to admit and one to settle; every key of an organisation is in one hash slot."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        lease_seconds: float = 30.0,
        lateness: Lateness = never_late,
        frozen_now: int = 0,
    ) -> None:
        """`frozen_now` (microseconds since 1970) replaces Redis's clock, for tests."""
        self._lease = round(lease_seconds * MICROSECONDS)
        self.frozen_now = frozen_now
        self._admission = _script("admission.lua")
        self._renewal = _script("renewal.lua")
        self._settlement = _script("settlement.lua")
        scripts = (self._admission, self._renewal, self._settlement)
        self._redis = SharedRedis(url, scripts, timeout_seconds=timeout_seconds, lateness=lateness)

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        rates, places, budgets = demand.rates, demand.places, demand.budget_charges
        organization_id = demand.organization_id
        keys = [
            *(_limit_key(organization_id, charge) for charge in (*rates, *places)),
            *_budget_keys(demand),
            *(revocation_key(organization_id, each) for each in principal.revocation_ids),
        ]
        arguments: list[Argument] = [self.frozen_now, self._lease, demand.request_id]
        arguments += (len(rates), len(places), len(budgets))
        for charge in rates:
            arguments += (charge.limit.amount, charge.cost)
        arguments += (charge.limit.amount for charge in places)
        for each in budgets:
            period = each.period
            arguments += (each.budget.amount_micros, each.cost_micros)
            arguments += (period.start * MICROSECONDS, period.end * MICROSECONDS)
        return _decision(demand, await self._run(self._admission, keys, arguments))

    async def extend(self, holding: Holding, more_micros: int) -> int:
        return int(await self._renew(holding, more_micros))

    async def renew(self, holdings: Sequence[Holding]) -> None:
        for start in range(0, len(holdings), RENEWED_AT_ONCE):
            some = holdings[start : start + RENEWED_AT_ONCE]
            await asyncio.gather(*(self._renew(holding, 0) for holding in some))

    async def settle(self, settlement: Settlement) -> None:
        demand, corrections = settlement.demand, settlement.corrections
        organization_id = demand.organization_id
        decided_at = settlement.admission.decided_at if settlement.admission else 0.0
        keys = [
            *(_limit_key(organization_id, charge) for charge in (*corrections, *demand.places)),
            *_budget_keys(demand),
        ]
        arguments: list[Argument] = [self.frozen_now, round(decided_at * MICROSECONDS)]
        arguments += (demand.request_id, len(corrections), len(demand.places))
        arguments.append(settlement.cost_micros)
        for charge in corrections:
            arguments += (charge.limit.amount, charge.cost)
        await self._run(self._settlement, keys, arguments)
        settlement.done()

    async def may_forget(self) -> bool:
        """Whether this Redis evicts keys when its memory is full, and limits with them."""
        told: bytes = await self._within(self._redis.command("INFO", "memory"))
        memory = dict(line.partition(":")[::2] for line in told.decode().splitlines())
        return memory["maxmemory"] != "0" and memory["maxmemory_policy"] != "noeviction"

    async def close(self) -> None:
        await self._redis.close()

    async def _renew(self, holding: Holding, more_micros: int) -> Any:
        demand = holding.demand
        places = [_limit_key(demand.organization_id, charge) for charge in demand.places]
        arguments: list[Argument] = [self.frozen_now, self._lease, demand.request_id]
        arguments += (len(places), holding.used_micros, holding.reserved_micros, more_micros)
        arguments += (each.budget.amount_micros for each in demand.budget_charges)
        return await self._run(self._renewal, [*places, *_budget_keys(demand)], arguments)

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        return await self._within(self._redis.run(script, keys, arguments))

    async def _within(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except REDIS_ERRORS as error:
            raise redis_unavailable("Limits cannot be checked at the moment.") from error


def _script(name: str) -> str:
    here = resources.files("headrace_gateway.adapters")
    return "\n".join(here.joinpath(each).read_text() for each in ("limiter_common.lua", name))


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
    what, refused_by, decided_at = reply[:3]
    if what == REVOKED:
        return Admission(revoked=True)
    if what == IN_OTHER_PERIOD:
        now = decided_at / MICROSECONDS
        return Admission(revoked=False, in_other_period=True, decided_at=now)
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
