"""killed: what an earlier process was killed with is settled by what it had noted."""

import asyncio
from collections.abc import Iterable

from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.admission import Settlement
from headrace_gateway.ports import Limiter

PAUSE_SECONDS = 1.0


async def settle_killed(unsettled: Iterable[Settlement], limiter: Limiter) -> None:
    """Settle all of it, however long it takes.

    Leases give back what was reserved in any case. This puts what was noted, and is told to the
    audit, in the place of what the last renewal told.
    """
    for settlement in unsettled:
        if settlement.changes_nothing:
            settlement.done()
        else:
            await _settle(limiter, settlement)


async def _settle(limiter: Limiter, settlement: Settlement) -> None:
    while True:
        try:
            return await limiter.settle(settlement)
        except HeadraceError as error:
            get_logger().warning("killed_not_settled", reason=error.reason.value)
            await asyncio.sleep(PAUSE_SECONDS)
