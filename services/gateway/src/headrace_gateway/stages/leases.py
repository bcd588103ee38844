"""Leases: running requests hold what they reserved for as long as this gateway lives to say so."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.admission import Holding
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.ports import Limiter

RECHECK_SECONDS = 5.0


class Leases:
    """Renews them, three times within each, together with what was spent so far."""

    def __init__(self, limiter: Limiter, *, lease_seconds: float) -> None:
        self._limiter = limiter
        self._renew_seconds = lease_seconds / 3
        self._running: dict[str, Exchange] = {}

    def begin(self, exchange: Exchange) -> None:
        """Renew what the exchange holds from now on, if that is anything."""
        if exchange.demand is not None and exchange.demand.holds:
            self._running[exchange.request_id] = exchange

    def end(self, exchange: Exchange) -> None:
        self._running.pop(exchange.request_id, None)

    async def keep(self) -> None:
        """Renew again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._renew_seconds)
            await self.renew()

    async def renew(self) -> None:
        """Renew all once; a limiter that does not answer is asked again next time."""
        holdings = [
            Holding(
                exchange.demand,
                exchange.cost_micros,
                exchange.reserved_micros,
                local=exchange.admission is not None and exchange.admission.local,
            )
            for exchange in self._running.values()
            if exchange.demand is not None
        ]
        try:
            await self._limiter.renew(holdings)
        except HeadraceError as error:
            get_logger().warning("leases_not_renewed", reason=error.reason.value)


async def warn_of_eviction(may_forget: Callable[[], Awaitable[bool]]) -> None:
    """Say loudly if limits are counted where counts may vanish; ends once that is known.

    Only that: a gateway that refused to start would turn a risk into an outage.
    """
    while True:
        try:
            evicts = await may_forget()
        except HeadraceError:
            await asyncio.sleep(RECHECK_SECONDS)
            continue
        if evicts:
            get_logger().error("admission_redis_evicts", reason="maxmemory-policy")
        return
