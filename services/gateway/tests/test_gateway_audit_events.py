"""From an exchange to the audit's event: complete, and acceptable whatever the caller sent."""

from datetime import UTC, datetime

import grpc
import pytest

from headrace.audit.v1 import audit_pb2
from headrace_common.errors import HeadraceError, Reason
from headrace_common.spool import Limits
from headrace_gateway.adapters.audit_events import AuditClient, Ending, to_event
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.testing.gateway import PRINCIPAL

SIDES = ("prompt", "output")
MAXIMUM_ITEMS = 256
"""Of a list that `audit` takes."""


def _exchange(activity: Activity = Activity.COMPLETION) -> Exchange:
    return Exchange(
        request_id="0199d1a0-0000-7000-8000-000000000000",
        activity=activity,
        operation="POST /v1/chat/completions",
        source_address="192.0.2.7",
        credential="hr_secret",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        started=100.0,
        principal=PRINCIPAL,
    )


def test_a_finished_completion_becomes_a_whole_event_without_the_credential() -> None:
    exchange = _exchange()
    exchange.model, exchange.cache_status = "echo", "miss"
    exchange.prompt_tokens, exchange.completion_tokens = 3, 4
    exchange.first_token_seconds, exchange.queue_seconds = 0.25, 0.5
    exchange.finish_reasons = ("stop",)
    exchange.succeed()
    event = to_event(exchange, Ending.of(exchange), "gateway/gw-1", 1.5)
    assert event.event_id == event.request_id == exchange.request_id
    assert event.outcome == audit_pb2.OUTCOME_SUCCEEDED
    assert event.actor.organization_id == "org_1"
    assert event.model_use.total_time.ToTimedelta().total_seconds() == 1.5
    assert event.model_use.time_to_first_token.ToTimedelta().total_seconds() == 0.25
    assert event.model_use.queue_time.ToTimedelta().total_seconds() == 0.5
    assert b"hr_secret" not in event.SerializeToString()


def test_an_error_is_recorded_by_reason_only() -> None:
    exchange = _exchange(Activity.LOGIN)
    exchange.fail(HeadraceError(Reason.LOGIN_FAILED, "the sentence for the caller"))
    event = to_event(exchange, Ending.of(exchange), "gateway/gw-1", 1.0)
    assert event.error_reason == "LOGIN_FAILED"
    assert not event.HasField("model_use")
    assert b"sentence" not in event.SerializeToString()


def test_no_caller_can_write_an_event_that_the_audit_refuses() -> None:
    exchange = _exchange()
    exchange.model = "m" * 10_000
    exchange.resource = "api_key:\0"
    exchange.succeed()
    event = to_event(exchange, Ending.of(exchange), "gateway/gw-1", 1.0)
    assert len(event.model_use.model) == 512
    assert "\0" not in event.resource


def test_an_event_has_room_for_whatever_a_caller_sets_off() -> None:
    """Of two hundred rules with long names, on both sides; the one that blocked is told."""
    exchange = _exchange()
    exchange.end_user = "\N{GRINNING FACE}" * 10_000
    exchange.guard_decisions = [
        f"{side}:{'r' * 60}{number:03}:flag" for side in SIDES for number in range(200)
    ]
    exchange.guard_decisions[-1] = "output:secret:block"
    exchange.succeed()
    event = to_event(exchange, Ending.of(exchange), "gateway/gw-1", 1.0)
    assert len(event.model_use.guard_decisions) <= MAXIMUM_ITEMS
    assert "output:secret:block" in event.model_use.guard_decisions
    assert event.ByteSize() < Limits().reserved_bytes - 4096  # the rest is for names and budgets


@pytest.mark.parametrize("activity", Activity)
def test_every_activity_has_its_kind(activity: Activity) -> None:
    exchange = _exchange(activity)
    exchange.succeed()
    kind = audit_pb2.EventKind.Name(to_event(exchange, Ending.of(exchange), "w", 1.0).kind)
    assert kind == f"EVENT_KIND_{activity.upper()}"


async def test_a_record_that_is_no_event_is_refused_for_good() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(HeadraceError) as caught:
            await AuditClient(channel).send([b"\xff\xff"])
    assert caught.value.reason is Reason.INVALID_FIELD
