"""Limits, budgets and prices as records; admission counts, `auth` only keeps what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from headrace_auth.domain.principal import Budget, BudgetPeriod, Limit, LimitKind, Subject
from headrace_auth.domain.records import Kind


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """A limit, and the organisation that set it."""

    KIND: ClassVar = Kind(
        "limit", ("organization_id", "subject_type", "subject_id", "kind", "model")
    )

    organization_id: str
    subject_type: Subject
    subject_id: str
    kind: LimitKind
    model: str
    amount: int

    @classmethod
    def of(cls, organization_id: str, limit: Limit) -> "LimitRecord":
        return cls(
            organization_id, limit.subject, limit.subject_id, limit.kind, limit.model, limit.amount
        )

    def limit(self) -> Limit:
        return Limit(self.kind, self.subject_type, self.subject_id, self.amount, self.model)


@dataclass(frozen=True, slots=True)
class BudgetRecord:
    """A budget, and the organisation that set it."""

    KIND: ClassVar = Kind(
        "budget", ("organization_id", "subject_type", "subject_id", "period", "model")
    )

    organization_id: str
    subject_type: Subject
    subject_id: str
    period: BudgetPeriod
    amount_micros: int
    currency: str
    time_zone: str
    model: str = ""

    @classmethod
    def of(cls, organization_id: str, budget: Budget) -> "BudgetRecord":
        return cls(
            organization_id,
            budget.subject,
            budget.subject_id,
            budget.period,
            budget.amount_micros,
            budget.currency,
            budget.time_zone,
            budget.model,
        )

    def budget(self) -> Budget:
        return Budget(
            self.subject_type,
            self.subject_id,
            self.amount_micros,
            self.currency,
            self.period,
            self.time_zone,
            self.model,
        )


@dataclass(frozen=True, slots=True)
class PriceTable:
    """What models cost from a moment on; a later version replaces it, none is ever changed."""

    KIND: ClassVar = Kind("price_table", ("version",))

    version: int
    currency: str
    prices: Mapping[str, Any]
    """By public model id: `input_micros_per_million_tokens`, `output_micros_per_million_tokens`."""
    effective_at: datetime
    created_by: str
    created_at: datetime
