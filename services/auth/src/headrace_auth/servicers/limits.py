"""LimitService over gRPC: limits, budgets, prices and tiers."""
# ruff: noqa: N802 - the proto's names

from typing import Any

from headrace.auth.v1 import limits_pb2, limits_pb2_grpc
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.paging import token_of_key
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.directory_messages import organization_message
from headrace_auth.servicers.limit_messages import (
    budget_named,
    budget_of,
    cap_filter,
    limit_named,
    limit_of,
    price_request,
    tier_of,
)
from headrace_auth.servicers.messages import budget_message, limit_message
from headrace_auth.servicers.price_messages import price_table_message
from headrace_auth.use_cases.limits.limits_and_budgets import CapPage, Caps
from headrace_auth.use_cases.limits.prices import Prices
from headrace_auth.use_cases.limits.tiers import Tiers
from headrace_common.grpc_server import Registration


class LimitServicer(limits_pb2_grpc.LimitServiceServicer):
    """The proto's LimitService."""

    def __init__(
        self,
        *,
        callers: Callers,
        limits: Caps[LimitRecord],
        budgets: Caps[BudgetRecord],
        prices: Prices,
        tiers: Tiers,
    ) -> None:
        self._callers = callers
        self._limits = limits
        self._budgets = budgets
        self._prices = prices
        self._tiers = tiers

    async def ListLimits(
        self, request: limits_pb2.ListLimitsRequest, context: Any
    ) -> limits_pb2.ListLimitsResponse:
        caller = await self._callers.identified(context)
        page = await self._limits.page(caller, *cap_filter(request))
        return limits_pb2.ListLimitsResponse(
            limits=[limit_message(record.limit()) for record in page.caps],
            next_page_token=_token(page),
        )

    async def SetLimit(
        self, request: limits_pb2.SetLimitRequest, context: Any
    ) -> limits_pb2.SetLimitResponse:
        caller = await self._callers.identified(context)
        record = await self._limits.set(caller, limit_of(request))
        return limits_pb2.SetLimitResponse(limit=limit_message(record.limit()))

    async def RemoveLimit(
        self, request: limits_pb2.RemoveLimitRequest, context: Any
    ) -> limits_pb2.RemoveLimitResponse:
        caller = await self._callers.identified(context)
        record = await self._limits.remove(caller, limit_named(request))
        return limits_pb2.RemoveLimitResponse(limit=limit_message(record.limit()))

    async def ListBudgets(
        self, request: limits_pb2.ListBudgetsRequest, context: Any
    ) -> limits_pb2.ListBudgetsResponse:
        caller = await self._callers.identified(context)
        page = await self._budgets.page(caller, *cap_filter(request))
        return limits_pb2.ListBudgetsResponse(
            budgets=[budget_message(record.budget()) for record in page.caps],
            next_page_token=_token(page),
        )

    async def SetBudget(
        self, request: limits_pb2.SetBudgetRequest, context: Any
    ) -> limits_pb2.SetBudgetResponse:
        caller = await self._callers.identified(context)
        record = await self._budgets.set(caller, budget_of(request))
        return limits_pb2.SetBudgetResponse(budget=budget_message(record.budget()))

    async def RemoveBudget(
        self, request: limits_pb2.RemoveBudgetRequest, context: Any
    ) -> limits_pb2.RemoveBudgetResponse:
        caller = await self._callers.identified(context)
        record = await self._budgets.remove(caller, budget_named(request))
        return limits_pb2.RemoveBudgetResponse(budget=budget_message(record.budget()))

    async def GetPriceTable(
        self, request: limits_pb2.GetPriceTableRequest, context: Any
    ) -> limits_pb2.GetPriceTableResponse:
        caller = await self._callers.identified(context)
        table = await self._prices.get(caller, request.version)
        return limits_pb2.GetPriceTableResponse(price_table=price_table_message(table))

    async def SetPriceTable(
        self, request: limits_pb2.SetPriceTableRequest, context: Any
    ) -> limits_pb2.SetPriceTableResponse:
        caller = await self._callers.identified(context)
        table = await self._prices.set(caller, price_request(request))
        return limits_pb2.SetPriceTableResponse(price_table=price_table_message(table))

    async def SetTier(
        self, request: limits_pb2.SetTierRequest, context: Any
    ) -> limits_pb2.SetTierResponse:
        caller = await self._callers.identified(context)
        changed = await self._tiers.set(caller, request.organization_id, tier_of(request))
        return limits_pb2.SetTierResponse(organization=organization_message(changed))

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.LimitService",
            limits_pb2_grpc.add_LimitServiceServicer_to_server,
            self,
        )


def _token(page: CapPage[Any]) -> str:
    return token_of_key(*page.next_key) if page.next_key else ""
