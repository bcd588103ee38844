"""Limits and budgets counted in this process: a share while Redis is away, and for tests."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace_common.clock import Clock
from headrace_gateway.domain.admission import (
    Admission,
    BudgetCharge,
    BudgetState,
    Charge,
    Demand,
    Holding,
    LimitState,
    Settlement,
)
from headrace_gateway.domain.principal import Principal

PERIOD_SECONDS = 60.0
ROUNDING_SECONDS = 5e-7
MAXIMUM_BUCKETS = 100_000
"""Beyond it those that are whole are forgotten, which changes no answer."""


class MemoryLimiter:
    """The same as admission.lua and its neighbours, for one process and without revocations.

    While a gateway counts alone, it hears from `auth` who has ended.
    """

    def __init__(self, clock: Clock, *, lease_seconds: float = 30.0) -> None:
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._whole_at: dict[object, float] = {}
        self._places: dict[object, dict[str, float]] = {}
        """Of each limit on requests in flight: request ids, and when their leases end."""
        self._accounts: defaultdict[object, Account] = defaultdict(Account)

    async def admit(
        self,
        principal: Principal,  # noqa: ARG002 - who has ended is not known here
        demand: Demand,
    ) -> Admission:
        now = self._clock.monotonic()
        self._reclaim(demand, now)
        refused = self._refusing(demand, now)
        if refused is None:
            self._take(demand, now)
        states = tuple(self._state(demand, charge, now) for charge in demand.charges)
        budget_states = tuple(self._budget_state(demand, each) for each in demand.budget_charges)
        everything: list[LimitState | BudgetState] = [*states, *budget_states]
        refused_by = None if refused is None else everything[refused]
        return Admission(False, states, budget_states, refused_by, decided_at=now)

    async def extend(self, holding: Holding, more_micros: int) -> int:
        await self.renew([holding])
        demand = holding.demand
        self._reclaim(demand, self._clock.monotonic())
        accounts = [self._account(demand, each) for each in demand.budget_charges]
        entries = [account.entries.get(demand.request_id) for account in accounts]
        if not all(entry and entry.lease_end is not None for entry in entries):
            return 0
        for account, each in zip(accounts, demand.budget_charges, strict=True):
            more_micros = min(more_micros, each.budget.amount_micros - account.committed)
        for entry in entries:
            if entry and more_micros > 0:
                entry.reserved += more_micros
        return max(0, more_micros)

    async def renew(self, holdings: Sequence[Holding]) -> None:
        lease_end = self._clock.monotonic() + self._lease_seconds
        for holding in holdings:
            demand = holding.demand
            for charge in demand.places:
                taken = self._places.get(_key(demand, charge), {})
                if demand.request_id in taken:
                    taken[demand.request_id] = lease_end
            for each in demand.budget_charges:
                self._account(demand, each).renew(holding, each.budget.amount_micros, lease_end)

    async def settle(self, settlement: Settlement) -> None:
        now, demand = self._clock.monotonic(), settlement.demand
        for charge in settlement.corrections:
            units: float = charge.cost
            if units > 0 and settlement.admission is not None:
                elapsed = now - settlement.admission.decided_at
                units = max(0.0, units - elapsed / _per_unit(charge))
            whole = self._whole(demand, charge, now) - units * _per_unit(charge)
            self._whole_at[_key(demand, charge)] = whole
        for charge in demand.places:
            self._places.get(_key(demand, charge), {}).pop(demand.request_id, None)
            self._forget_if_empty(_key(demand, charge))
        for each in demand.budget_charges:
            self._account(demand, each).settle(demand.request_id, settlement.cost_micros)
        settlement.done()

    def in_flight(self) -> int:
        """Places that are taken, over all limits; those whose leases have ended, too."""
        return sum(map(len, self._places.values()))

    def reserved(self) -> list[int]:
        """What requests hold of budgets, over all of them."""
        accounts = self._accounts.values()
        return [e.reserved for account in accounts for e in account.entries.values() if e.reserved]

    def _reclaim(self, demand: Demand, now: float) -> None:
        for charge in demand.places:
            taken = self._places.get(_key(demand, charge), {})
            for request_id in [each for each, end in taken.items() if end <= now]:
                del taken[request_id]
            self._forget_if_empty(_key(demand, charge))
        for each in demand.budget_charges:
            self._account(demand, each).reclaim(now)

    def _refusing(self, demand: Demand, now: float) -> int | None:
        """The index of the first charge or budget that has too little left."""
        fits = [self._wait(demand, charge, now) == 0 for charge in demand.rates]
        fits += [self._free(demand, charge) > 0 for charge in demand.places]
        for each in demand.budget_charges:
            wanted = self._account(demand, each).committed + each.cost_micros
            fits.append(each.cost_micros == 0 or wanted <= each.budget.amount_micros)
        return fits.index(False) if False in fits else None

    def _take(self, demand: Demand, now: float) -> None:
        lease_end = now + self._lease_seconds
        for charge in demand.rates:
            whole = self._whole(demand, charge, now) + charge.cost * _per_unit(charge)
            self._whole_at[_key(demand, charge)] = whole
        for charge in demand.places:
            taken = self._places.setdefault(_key(demand, charge), {})
            taken[demand.request_id] = lease_end
        for each in demand.budget_charges:
            entry = Entry(each.cost_micros, 0, lease_end)
            self._account(demand, each).entries[demand.request_id] = entry
        if len(self._whole_at) > MAXIMUM_BUCKETS:
            self._whole_at = {key: end for key, end in self._whole_at.items() if end > now}

    def _state(self, demand: Demand, charge: Charge, now: float) -> LimitState:
        if charge in demand.places:
            return LimitState(charge.limit, max(0, self._free(demand, charge)), 0.0, 0.0)
        ahead = self._whole(demand, charge, now) - now
        remaining = int((PERIOD_SECONDS - ahead + ROUNDING_SECONDS) / _per_unit(charge))
        wait = self._wait(demand, charge, now)
        return LimitState(charge.limit, max(0, remaining), ahead, wait)

    def _budget_state(self, demand: Demand, charge: BudgetCharge) -> BudgetState:
        account, amount = self._account(demand, charge), charge.budget.amount_micros
        remaining, unspent = amount - account.committed, amount - account.spent
        return BudgetState(charge, max(0, remaining), max(0, unspent))

    def _whole(self, demand: Demand, charge: Charge, now: float) -> float:
        return max(now, self._whole_at.get(_key(demand, charge), now))

    def _wait(self, demand: Demand, charge: Charge, now: float) -> float:
        whole = self._whole(demand, charge, now) + charge.cost * _per_unit(charge)
        return max(0.0, whole - now - PERIOD_SECONDS - ROUNDING_SECONDS)

    def _free(self, demand: Demand, charge: Charge) -> int:
        return charge.limit.amount - len(self._places.get(_key(demand, charge), ()))

    def _forget_if_empty(self, key: object) -> None:
        if not self._places.get(key, True):
            del self._places[key]

    def _account(self, demand: Demand, charge: BudgetCharge) -> "Account":
        budget = charge.budget
        whose = (demand.organization_id, budget.subject, budget.model)
        return self._accounts[(*whose, budget.currency, budget.period, charge.period.start)]


@dataclass(slots=True)
class Entry:
    """What one request has reserved of a budget and, as far as was told, used."""

    reserved: int
    used: int
    lease_end: float | None
    """None once it was reclaimed; then `used` is spent already."""


@dataclass(slots=True)
class Account:
    """One budget in one period."""

    spent: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def committed(self) -> int:
        return self.spent + sum(entry.reserved for entry in self.entries.values())

    def reclaim(self, now: float) -> None:
        for entry in self.entries.values():
            if entry.lease_end is not None and entry.lease_end <= now:
                self.spent += entry.used
                entry.reserved, entry.lease_end = 0, None

    def renew(self, holding: Holding, amount: int, lease_end: float) -> None:
        entry = self.entries.get(holding.demand.request_id)
        if entry is None:
            return
        if entry.lease_end is None:
            self.spent -= entry.used
            there = min(holding.reserved_micros, amount - self.committed)
            entry.reserved = max(holding.used_micros, there)
        entry.lease_end, entry.used = lease_end, holding.used_micros

    def settle(self, request_id: str, micros: int) -> None:
        entry = self.entries.pop(request_id, None)
        if entry is not None:
            counted = entry.used if entry.lease_end is None else 0
            self.spent += micros - counted


def _per_unit(charge: Charge) -> float:
    return PERIOD_SECONDS / charge.limit.amount


def _key(demand: Demand, charge: Charge) -> object:
    limit = charge.limit
    return demand.organization_id, limit.kind, limit.subject, limit.model
