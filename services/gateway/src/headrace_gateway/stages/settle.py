"""settle: what was reserved is replaced by what was used, however the request ended."""

from collections.abc import Callable

from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.admission import Settlement
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.ports import Limiter
from headrace_gateway.stages.leases import Leases


class Settle:
    """Corrects token rates and budgets after the answer, and makes room for others."""

    def __init__(self, limiter: Limiter, leases: Leases) -> None:
        self._limiter = limiter
        self._leases = leases

    async def run(self, exchange: Exchange, done: Callable[[], None]) -> None:
        """Give back, or take, the difference, and call `done`; that may come later.

        Without an answer, what is held ends by its lease.
        """
        if exchange.demand is None:
            return
        settlement = Settlement(
            exchange.demand,
            exchange.admission,
            tokens=exchange.prompt_tokens + exchange.completion_tokens,
            cost_micros=exchange.cost_micros,
            done=done,
        )
        self._leases.end(exchange)
        if settlement.changes_nothing:
            return
        try:
            await self._limiter.settle(settlement)
        except HeadraceError as error:
            get_logger().warning("not_settled", reason=error.reason.value)
