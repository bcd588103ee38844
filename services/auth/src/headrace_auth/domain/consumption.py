"""Limits and budgets as records; admission counts, `auth` only keeps what was decided."""

from dataclasses import dataclass
from typing import ClassVar

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
