"""From the proto's events to the domain's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.message import Message

from headrace.audit.v1 import audit_pb2
from headrace_audit.domain.events import (
    Actor,
    Change,
    ChargedBudget,
    Cost,
    Event,
    EventKind,
    ModelUse,
    Outcome,
)
from headrace_audit.domain.rules import invalid
from headrace_common.proto_enums import from_proto


def to_event(message: audit_pb2.AuditEvent, at: str) -> Event:
    """The domain's event; `at` is the message's place in the request.

    Raises HeadraceError (INVALID_FIELD) for what the domain's types cannot hold.
    """
    kind = from_proto(EventKind, audit_pb2.EventKind, message.kind)
    outcome = from_proto(Outcome, audit_pb2.Outcome, message.outcome)
    if kind is None:
        raise invalid(f"{at}.kind", "must be a known kind")
    if outcome is None:
        raise invalid(f"{at}.outcome", "must be a known outcome")
    return Event(
        event_id=_uuid(message, at),
        kind=kind,
        occurred_at=_time(message, "occurred_at", at),
        writer=message.writer,
        request_id=message.request_id,
        actor=_actor(message.actor) if message.HasField("actor") else None,
        source_address=message.source_address,
        operation=message.operation,
        outcome=outcome,
        error_reason=message.error_reason,
        http_status=message.http_status,
        resource=message.resource,
        model_use=_model_use(message.model_use, at) if message.HasField("model_use") else None,
        change=_change(message.change) if message.HasField("change") else None,
    )


def _uuid(message: audit_pb2.AuditEvent, at: str) -> UUID:
    try:
        return UUID(message.event_id)
    except ValueError as error:
        raise invalid(f"{at}.event_id", "must be a UUID") from error


def _time(message: Message, name: str, at: str) -> datetime:
    if not message.HasField(name):
        raise invalid(f"{at}.{name}", "is required")
    try:
        moment: datetime = getattr(message, name).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(f"{at}.{name}", "must be in the years 1 to 9999") from error
    return moment


def _actor(message: audit_pb2.Actor) -> Actor:
    return Actor(message.user_id, message.organization_id, message.credential_id)


def _change(message: audit_pb2.Change) -> Change:
    return Change(message.before_json, message.after_json)


def _model_use(message: audit_pb2.ModelUse, at: str) -> ModelUse:
    return ModelUse(
        model=message.model,
        model_version=message.model_version,
        guard_policy_version=message.guard_policy_version,
        guard_decisions=tuple(message.guard_decisions),
        cache_status=message.cache_status,
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        finish_reasons=tuple(message.finish_reasons),
        total_time=_span(message, "total_time", at),
        time_to_first_token=_span(message, "time_to_first_token", at),
        queue_time=_span(message, "queue_time", at),
        streamed=message.streamed,
        served_model=message.served_model,
        cohort=message.cohort,
        end_user=message.end_user,
        cost=_cost(message.cost, f"{at}.model_use.cost") if message.HasField("cost") else None,
    )


def _cost(message: audit_pb2.Cost, at: str) -> Cost:
    budgets = (
        ChargedBudget(
            subject=budget.subject,
            model=budget.model,
            period=budget.period,
            period_start=_time(budget, "period_start", f"{at}.budgets[{index}]"),
        )
        for index, budget in enumerate(message.budgets)
    )
    return Cost(message.currency, message.amount_micros, message.price_version, tuple(budgets))


def _span(message: audit_pb2.ModelUse, name: str, at: str) -> timedelta | None:
    if not message.HasField(name):
        return None
    try:
        span: timedelta = getattr(message, name).ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise invalid(f"{at}.model_use.{name}", "must be a duration") from error
    return span
