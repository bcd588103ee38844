"""What the domain's types cannot hold is refused by name; the rest arrives as it was sent."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import duration_pb2, timestamp_pb2

from headrace.audit.v1 import audit_pb2
from headrace_audit.conversions import to_event
from headrace_audit.domain.events import Actor, Change, ChargedBudget, Cost, EventKind, Outcome
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def _message() -> audit_pb2.AuditEvent:
    return audit_pb2.AuditEvent(
        event_id=uuid7(NOW),
        kind=audit_pb2.EVENT_KIND_COMPLETION,
        occurred_at=NOW,
        writer="gateway/gw-1",
        request_id="req_1",
        operation="POST /v1/chat/completions",
        outcome=audit_pb2.OUTCOME_CANCELLED,
        http_status=499,
    )


def test_required_fields_alone_are_enough() -> None:
    event = to_event(_message(), "events[0]")
    assert event.occurred_at == NOW
    assert event.kind is EventKind.COMPLETION
    assert event.outcome is Outcome.CANCELLED
    assert event.actor is None
    assert event.model_use is None
    assert event.change is None


def test_actor_and_model_use_arrive_whole() -> None:
    message = _message()
    message.actor.user_id = "user_1"
    message.model_use.model = "smollm2"
    message.model_use.guard_decisions[:] = ["a", "b"]
    message.model_use.completion_tokens = 2**32 - 1
    message.model_use.total_time.FromMilliseconds(1500)
    message.model_use.queue_time.FromMilliseconds(0)
    event = to_event(message, "events[0]")
    assert event.actor == Actor("user_1", "", "")
    assert event.model_use is not None
    assert event.model_use.guard_decisions == ("a", "b")
    assert event.model_use.completion_tokens == 2**32 - 1
    assert event.model_use.total_time == timedelta(seconds=1.5)
    assert event.model_use.time_to_first_token is None
    assert event.model_use.queue_time == timedelta(0)


def test_the_cost_arrives_with_the_budgets_that_counted_it() -> None:
    message = _message()
    use = message.model_use
    use.served_model, use.cohort, use.end_user = "smollm2-360m", "canary", "customer 7"
    use.cost.currency, use.cost.amount_micros, use.cost.price_version = "EUR", 2**64 - 1, 3
    use.cost.budgets.add(subject="team:t1", period="month", period_start=NOW)
    use.cost.budgets.add(subject="api_key:k1", model="smollm2", period="day", period_start=NOW)
    arrived = to_event(message, "events[0]").model_use
    assert arrived is not None
    who = (arrived.served_model, arrived.cohort, arrived.end_user)
    assert who == ("smollm2-360m", "canary", "customer 7")
    team = ChargedBudget("team:t1", "", "month", NOW)
    key = ChargedBudget("api_key:k1", "smollm2", "day", NOW)
    assert arrived.cost == Cost("EUR", 2**64 - 1, 3, (team, key))


def test_an_event_of_a_release_that_knew_no_costs_has_none() -> None:
    message = _message()
    message.model_use.model = "smollm2"
    arrived = to_event(message, "events[0]").model_use
    assert arrived is not None
    assert (arrived.served_model, arrived.cohort, arrived.end_user) == ("", "", "")
    assert arrived.cost is None


@pytest.mark.parametrize(
    ("before_json", "after_json"),
    [("", '{"name": "a"}'), ('{"name": "a"}', '{"name": "b"}'), ('{"name": "b"}', "")],
)
def test_both_sides_of_a_change_arrive_as_they_were_sent(before_json: str, after_json: str) -> None:
    message = _message()
    message.kind = audit_pb2.EVENT_KIND_CHANGE
    message.change.before_json, message.change.after_json = before_json, after_json
    event = to_event(message, "events[0]")
    assert event.kind is EventKind.CHANGE
    assert event.change == Change(before_json, after_json)


def _broken(field: str) -> audit_pb2.AuditEvent:
    message = _message()
    match field:
        case "event_id":
            message.event_id = "not-a-uuid"
        case "kind":
            message.kind = audit_pb2.EVENT_KIND_UNSPECIFIED
        case "outcome":
            message.ClearField("outcome")
        case "occurred_at":
            message.occurred_at.CopyFrom(timestamp_pb2.Timestamp(seconds=2**50))
        case "model_use.total_time":
            message.model_use.total_time.CopyFrom(duration_pb2.Duration(seconds=2**50))
        case "model_use.queue_time":
            message.model_use.queue_time.CopyFrom(duration_pb2.Duration(seconds=-(2**50)))
        case "model_use.cost.budgets[0].period_start":
            message.model_use.cost.budgets.add(subject="team:t1", period="month")
    return message


@pytest.mark.parametrize(
    "field",
    [
        "event_id",
        "kind",
        "outcome",
        "occurred_at",
        "model_use.total_time",
        "model_use.queue_time",
        "model_use.cost.budgets[0].period_start",
    ],
)
def test_what_cannot_be_held_is_named(field: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        to_event(_broken(field), "events[7]")
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == f"events[7].{field}"


def test_numbers_of_a_newer_proto_are_named() -> None:
    content = _message().SerializeToString()
    newer = audit_pb2.AuditEvent.FromString(content + b"\x10\x63")  # kind = 99
    with pytest.raises(HeadraceError, match=r"events\[0\].kind must be a known kind"):
        to_event(newer, "events[0]")


def test_a_missing_time_is_required() -> None:
    message = _message()
    message.ClearField("occurred_at")
    with pytest.raises(HeadraceError, match=r"events\[0\].occurred_at is required"):
        to_event(message, "events[0]")


def test_domain_and_proto_name_the_same_kinds_and_outcomes() -> None:
    kinds = {name.removeprefix("EVENT_KIND_").lower() for name, _ in audit_pb2.EventKind.items()}
    outcomes = {name.removeprefix("OUTCOME_").lower() for name, _ in audit_pb2.Outcome.items()}
    assert {*EventKind, "unspecified"} == kinds
    assert {*Outcome, "unspecified"} == outcomes
