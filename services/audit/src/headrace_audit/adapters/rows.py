"""How an event lies in a row of `audit.events`; what is unknown is NULL."""

import json
from datetime import datetime
from typing import Any

from headrace_audit.domain.events import Actor, Change, ChargedBudget, Cost, Event, ModelUse

EVENT_COLUMNS = (
    "event_id",
    "kind",
    "occurred_at",
    "received_at",
    "writer",
    "request_id",
    "source_address",
    "operation",
    "outcome",
    "error_reason",
    "http_status",
    "resource",
)
ACTOR_COLUMNS = ("user_id", "organization_id", "credential_id")
MODEL_COLUMNS = (
    "model",
    "model_version",
    "guard_policy_version",
    "guard_decisions",
    "cache_status",
    "prompt_tokens",
    "completion_tokens",
    "finish_reasons",
    "total_time",
    "time_to_first_token",
    "queue_time",
    "streamed",
)
CHANGE_COLUMNS = ("change_before", "change_after")
SERVED_COLUMNS = ("served_model", "cohort", "end_user")
COST_COLUMNS = ("cost_currency", "cost_micros", "price_version", "charged_budgets")
COLUMNS = (
    *EVENT_COLUMNS,
    *ACTOR_COLUMNS,
    *MODEL_COLUMNS,
    *CHANGE_COLUMNS,
    *SERVED_COLUMNS,
    *COST_COLUMNS,
)

Row = tuple[Any, ...]


def to_row(event: Event, received_at: datetime) -> Row:
    """The values of COLUMNS."""
    own = (
        event.event_id,
        event.kind.value,
        event.occurred_at,
        received_at,
        event.writer,
        event.request_id,
        event.source_address or None,
        event.operation,
        event.outcome.value,
        event.error_reason or None,
        event.http_status or None,
        event.resource or None,
    )
    return (
        own
        + _actor_values(event.actor)
        + _model_values(event.model_use)
        + _change_values(event.change)
        + _served_values(event.model_use)
        + _cost_values(event.model_use.cost if event.model_use else None)
    )


def _actor_values(actor: Actor | None) -> Row:
    if actor is None:
        return (None,) * len(ACTOR_COLUMNS)
    return (actor.user_id or None, actor.organization_id or None, actor.credential_id or None)


def _model_values(use: ModelUse | None) -> Row:
    if use is None:
        return (None,) * len(MODEL_COLUMNS)
    return (
        use.model,
        use.model_version or None,
        use.guard_policy_version or None,
        use.guard_decisions,
        use.cache_status or None,
        use.prompt_tokens,
        use.completion_tokens,
        use.finish_reasons,
        use.total_time,
        use.time_to_first_token,
        use.queue_time,
        use.streamed,
    )


def _change_values(change: Change | None) -> Row:
    if change is None:
        return (None,) * len(CHANGE_COLUMNS)
    return (change.before_json or None, change.after_json or None)


def _served_values(use: ModelUse | None) -> Row:
    if use is None:
        return (None,) * len(SERVED_COLUMNS)
    return (use.served_model or None, use.cohort or None, use.end_user or None)


def _cost_values(cost: Cost | None) -> Row:
    if cost is None:
        return (None,) * len(COST_COLUMNS)
    budgets = json.dumps([_budget(budget) for budget in cost.budgets])
    return (cost.currency, cost.amount_micros, cost.price_version, budgets)


def _budget(budget: ChargedBudget) -> dict[str, str | None]:
    return {
        "subject": budget.subject,
        "model": budget.model or None,
        "period": budget.period,
        "period_start": budget.period_start.isoformat(),
    }
