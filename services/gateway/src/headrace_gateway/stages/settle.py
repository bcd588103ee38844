"""settle: what was reserved is replaced by what was used, however the request ended."""

from dataclasses import replace

from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import LimitKind
from headrace_gateway.ports import RateLimiter


class Settle:
    """Corrects token rates after the answer."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def run(self, exchange: Exchange) -> None:
        """Give back, or take, the difference; a silent limiter only costs accuracy."""
        used = exchange.prompt_tokens + exchange.completion_tokens
        corrections = [
            replace(charge, cost=charge.cost - used)
            for charge in exchange.charges
            if charge.limit.kind is LimitKind.TOKENS_PER_MINUTE and charge.cost != used
        ]
        if exchange.principal is None or exchange.admission is None or not corrections:
            return
        try:
            await self._limiter.settle(exchange.principal, exchange.admission, corrections)
        except HeadraceError as error:
            get_logger().warning("not_settled", reason=error.reason.value)
