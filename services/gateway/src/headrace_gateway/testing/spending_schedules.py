"""Random schedules of requests that spend, renew, end and die, against what a plain sum says."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from headrace_gateway.domain.admission import Demand, Holding, Settlement
from headrace_gateway.ports import Limiter
from headrace_gateway.testing.limiter_suite import LEASE_SECONDS, PRINCIPAL
from headrace_gateway.testing.reservation_suite import BUDGET, costing, left

LARGEST_USE = 40
STEP = 60
NUMBERS = st.integers(0, 5)
USES = st.tuples(st.just("use"), NUMBERS, st.integers(1, LARGEST_USE))
ADMISSIONS = st.tuples(st.just("admit"), NUMBERS, st.integers(0, 500))
ENDS = st.tuples(st.sampled_from(("settle", "kill")), NUMBERS, st.just(0))
TIMES = st.tuples(st.sampled_from(("renew", "advance", "stall")), st.just(0), st.integers(1, 25))
SCHEDULES = st.lists(st.one_of(ADMISSIONS, USES, USES, USES, ENDS, TIMES), max_size=80)
Schedule = list[tuple[str, int, int]]


@dataclass(slots=True)
class Request:
    """One request as its gateway sees it, by the rules of `stages/spend.py`."""

    demand: Demand
    reserved: int
    used: int = 0
    told: int = 0
    """What it had used when its lease was last renewed."""


@dataclass(slots=True)
class World:
    """A budget, and gateways that keep to the rules until they die."""

    limiter: Limiter
    advance: Callable[[float], None]
    running: dict[int, Request] = field(default_factory=dict)
    ended: list[Request] = field(default_factory=list)
    killed: list[Request] = field(default_factory=list)
    admitted: int = 0
    stalled: bool = False
    """Whether leases have ended of requests that went on: they were lent once more."""

    async def step(self, action: str, number: int, amount: int) -> None:
        request = self.running.get(number)
        if action == "admit" and request is None:
            await self._admit(number, amount)
        elif action == "use" and request is not None:
            await self._use(number, request, amount)
        elif action == "settle" and request is not None:
            await self._settle(number, request)
        elif action == "kill" and request is not None:
            self.killed.append(self.running.pop(number))
        elif action == "renew":
            await self._renew()
        elif action == "advance":
            await self._renew()  # gateways that live renew in time
            self.advance(amount)
        elif action == "stall":
            self.stalled = True
            self.advance(LEASE_SECONDS + amount)

    async def finish(self) -> None:
        """Everybody who lives ends, and all leases of the dead."""
        for number, request in list(self.running.items()):
            await self._settle(number, request)
        self.advance(LEASE_SECONDS + 1)

    async def _admit(self, number: int, amount: int) -> None:
        wanted = costing(amount, f"r{self.admitted}")
        self.admitted += 1
        if (await self.limiter.admit(PRINCIPAL, wanted)).refused_by is None:
            self.running[number] = Request(wanted, amount)

    async def _use(self, number: int, request: Request, amount: int) -> None:
        request.used += amount
        if request.used > request.reserved:
            request.told = request.used
            more = request.used - request.reserved + STEP
            holding = Holding(request.demand, request.used, request.reserved)
            request.reserved += await self.limiter.extend(holding, more)
        if request.used > request.reserved:
            await self._settle(number, request)

    async def _settle(self, number: int, request: Request) -> None:
        await self.limiter.settle(Settlement(request.demand, None, 0, request.used))
        self.ended.append(self.running.pop(number))

    async def _renew(self) -> None:
        holdings = [
            Holding(request.demand, request.used, request.reserved)
            for request in self.running.values()
        ]
        await self.limiter.renew(holdings)
        for request in self.running.values():
            request.told = request.used


async def expect_the_budget_holds(world: World, schedule: Schedule) -> None:
    """What counts as spent is what was used and told; the cap is passed by the bound at most."""
    for action, number, amount in schedule:
        await world.step(action, number, amount)
    await world.finish()
    spent = sum(request.used for request in world.ended)
    spent += sum(request.told for request in world.killed)
    assert await left(world.limiter) == max(0, BUDGET.amount_micros - spent)
    if world.stalled:
        return
    # One event of each answer that was cut, and of each that died with it.
    over = [request for request in (*world.ended, *world.killed) if request.used > request.reserved]
    assert spent <= BUDGET.amount_micros + LARGEST_USE * len(over)
    untold = sum(request.used - request.told for request in world.killed)
    assert spent + untold <= BUDGET.amount_micros + LARGEST_USE * len(over) + untold
