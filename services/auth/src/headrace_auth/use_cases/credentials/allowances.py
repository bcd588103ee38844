"""What gateways are told beside what was set for a principal: its tier's limits, and prices."""

import asyncio
from dataclasses import replace

from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import Principal
from headrace_auth.domain.tiers import TierLimits
from headrace_auth.ports import Principals


class Allowances:
    """Which prices are in force comes with the principal, so the answer is as of now.

    The table itself is read once per version, for none is ever changed (docs/adr/0029).
    """

    def __init__(self, principals: Principals, tier_limits: TierLimits) -> None:
        self._principals = principals
        self._tier_limits = tier_limits
        self._table: PriceTable | None = None
        self._one_at_a_time = asyncio.Lock()

    async def complete(self, principal: Principal) -> Principal:
        """With the limits of its organisation's tier, and with prices if it has a budget.

        Raises DEPENDENCY_UNAVAILABLE: prices that cannot be read are not left out, for without
        them nobody could hold the budget.
        """
        limits = self._tier_limits.beside(principal.member)
        prices = await self._prices(principal)
        if not limits and prices is None:
            return principal
        return replace(principal, limits=principal.limits + limits, prices=prices)

    async def _prices(self, principal: Principal) -> PriceTable | None:
        version = principal.member.price_version
        if not version or not principal.budgets:
            return None
        table = self._table
        if table is None or table.version != version:
            table = await self._read(version)
        models = principal.allowed_models
        return table.of_models(models) if models else table

    async def _read(self, version: int) -> PriceTable:
        """One question to the store however many principals wait for its answer."""
        async with self._one_at_a_time:
            if self._table is not None and self._table.version == version:
                return self._table
            table = await self._principals.price_table(version)
            if table is None:
                raise LookupError(f"price table {version} is in force and is not there")
            self._table = table
            return table
