"""The shared limiter while it answers, else this gateway's own share of every limit."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Kind, Reason
from headrace_common.lateness import ACCEPTABLE_SECONDS, Lateness, never_late
from headrace_common.logs import get_logger
from headrace_gateway.domain.admission import Admission, Charge, Demand, Holding, Settlement
from headrace_gateway.domain.breaker import Breaker
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import Limiter

MAXIMUM_UNSETTLED = 10_000
"""Beyond it the oldest are left to their leases."""
SETTLED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class FallbackRules:
    """What to do while limits cannot be counted together."""

    replicas: int
    """Gateways that share the limits: each has this part of them to itself."""
    spend_uncounted: bool
    """Whether requests with budgets pass all the same, and are counted against none."""
    slow_seconds: float
    """An answer that takes longer counts as none for the breaker, unless we are late ourselves."""


class FallbackLimiter:
    """A Limiter over two: `shared`, behind a breaker, and `local`."""

    def __init__(
        self,
        shared: Limiter,
        local: Limiter,
        breaker: Breaker,
        clock: Clock,
        rules: FallbackRules,
        lateness: Lateness = never_late,
        on_given_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_given_up` is called for each settlement that gives its place to a newer one."""
        self._shared = shared
        self._local = local
        self._breaker = breaker
        self._clock = clock
        self._rules = rules
        self._lateness = lateness
        self._on_given_up = on_given_up
        self._unsettled: deque[Settlement] = deque()

    @property
    def unsettled(self) -> int:
        """How many settlements wait until the shared limiter answers again."""
        return len(self._unsettled)

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        if self._breaker.allows():
            try:
                with self._watched():
                    return await self._shared.admit(principal, demand)
            except HeadraceError as error:
                _reraise_unless_unavailable(error)
                # It may have been taken, and its answer lost.
                self._settle_later(Settlement(demand, None, tokens=0, cost_micros=0))
        if demand.budget_charges and not self._rules.spend_uncounted:
            raise _budgets_unavailable()
        return replace(await self._local.admit(principal, self._share(demand)), local=True)

    async def extend(self, holding: Holding, more_micros: int) -> int:
        if holding.local:
            return more_micros  # it passed uncounted, and goes on so when Redis is back
        if self._breaker.allows():
            try:
                with self._watched():
                    return await self._shared.extend(holding, more_micros)
            except HeadraceError as error:
                _reraise_unless_unavailable(error)
        if not self._rules.spend_uncounted:
            raise _budgets_unavailable()
        return more_micros

    async def renew(self, holdings: Sequence[Holding]) -> None:
        """What could not be settled before is settled now, too."""
        alone = [replace(h, demand=self._share(h.demand)) for h in holdings if h.local]
        if alone:
            await self._local.renew(alone)
        together = [holding for holding in holdings if not holding.local]
        if (together or self._unsettled) and self._breaker.allows():
            if together:  # to renew nothing asks nobody, so it says nothing about Redis
                with self._watched():
                    await self._shared.renew(together)
            await self._settle_now()

    async def settle(self, settlement: Settlement) -> None:
        if settlement.admission is not None and settlement.admission.local:
            await self._local.settle(replace(settlement, demand=self._share(settlement.demand)))
            return
        if self._breaker.is_open:
            self._settle_later(settlement)
            return
        try:
            with self._watched():
                await self._shared.settle(settlement)
        except HeadraceError as error:
            _reraise_unless_unavailable(error)
            self._settle_later(settlement)
        except asyncio.CancelledError:
            # The caller left, and nobody will hear whether it arrived. Twice changes nothing.
            self._settle_later(settlement)
            raise

    async def _settle_now(self) -> None:
        for _ in range(min(len(self._unsettled), SETTLED_AT_ONCE)):
            first = self._unsettled[0]
            with self._watched():
                await self._shared.settle(first)
            if self._unsettled[0] is first:  # else others have pushed it out meanwhile
                self._unsettled.popleft()

    def _settle_later(self, settlement: Settlement) -> None:
        """Only what is held: a rate has regained by itself what would come back to it."""
        if not settlement.demand.holds:
            return
        if len(self._unsettled) == MAXIMUM_UNSETTLED:
            self._unsettled.popleft()
            self._on_given_up()
        self._unsettled.append(replace(settlement, admission=None))

    def _share(self, demand: Demand) -> Demand:
        """The demand on this gateway's part of each limit, which is 1 at least."""
        charges = tuple(self._part(charge) for charge in demand.charges)
        return replace(demand, charges=charges, budget_charges=())

    def _part(self, charge: Charge) -> Charge:
        """What exceeds the part takes all of it: it would be refused for as long as Redis is away.

        Settling takes the rest, so that the rate is kept, over more than a minute.
        """
        amount = max(1, charge.limit.amount // self._rules.replicas)
        limit = replace(charge.limit, amount=amount)
        return Charge(limit, cost=min(charge.cost, amount))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell the breaker how a call went; one that was cancelled says nothing."""
        was_open, started = self._breaker.is_open, self._clock.monotonic()
        try:
            yield
        except HeadraceError as error:
            if error.kind is Kind.UNAVAILABLE:
                self._breaker.failed()
            raise
        else:
            slow = self._clock.monotonic() - started > self._rules.slow_seconds
            if slow and self._lateness() <= ACCEPTABLE_SECONDS:
                self._breaker.failed()
            else:
                self._breaker.succeeded()
        finally:
            if self._breaker.is_open is not was_open:
                counted = "shared" if was_open else "local"
                get_logger().warning("limits_counted_otherwise", reason=counted)


def _reraise_unless_unavailable(error: HeadraceError) -> None:
    if error.kind is not Kind.UNAVAILABLE:
        raise error


def _budgets_unavailable() -> HeadraceError:
    return HeadraceError(
        Reason.DEPENDENCY_UNAVAILABLE,
        "Budgets cannot be checked at the moment.",
        retry_after_seconds=1,
    )
