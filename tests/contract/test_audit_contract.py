"""AuditService as its callers meet it: the real servicer behind a real stub."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from headrace.audit.v1 import audit_pb2, audit_pb2_grpc
from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.app import build
from headrace_audit.domain.events import Change, EventKind
from headrace_audit.domain.json_objects import MAXIMUM_BYTES
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.ids import uuid7
from headrace_common.spool.delivery import HOPELESS
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryEventStore:
    return MemoryEventStore()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def stub(
    store: MemoryEventStore, registry: CollectorRegistry
) -> AsyncIterator[audit_pb2_grpc.AuditServiceStub]:
    servicer = build(store=store, registry=registry, clock=FakeClock())
    async with serving([servicer.registration()]) as channel:
        yield audit_pb2_grpc.AuditServiceStub(channel)


def _event(**changes: Any) -> audit_pb2.AuditEvent:
    fields: dict[str, Any] = {
        "event_id": uuid7(NOW),
        "kind": audit_pb2.EVENT_KIND_LOGIN,
        "occurred_at": NOW,
        "writer": "gateway/gw-1",
        "request_id": "req_1",
        "operation": "POST /api/v1/auth/login",
        "outcome": audit_pb2.OUTCOME_SUCCEEDED,
    }
    return audit_pb2.AuditEvent(**(fields | changes))


def _batch(*events: audit_pb2.AuditEvent) -> audit_pb2.RecordEventsRequest:
    return audit_pb2.RecordEventsRequest(events=events)


async def test_new_and_known_events_are_counted(
    stub: audit_pb2_grpc.AuditServiceStub, store: MemoryEventStore, registry: CollectorRegistry
) -> None:
    first, second, third = _event(), _event(), _event()
    fresh = await stub.RecordEvents(_batch(first, second), timeout=5)
    assert (fresh.stored, fresh.duplicates) == (2, 0)
    again = await stub.RecordEvents(_batch(first, third, third), timeout=5)
    assert (again.stored, again.duplicates) == (1, 2)
    assert len(store.events) == 3
    assert registry.get_sample_value("headrace_audit_events_stored_total") == 3
    assert registry.get_sample_value("headrace_audit_events_duplicate_total") == 2
    assert registry.get_sample_value("headrace_audit_batch_events_count") == 2


async def test_a_bad_event_is_named_and_nothing_of_its_batch_is_stored(
    stub: audit_pb2_grpc.AuditServiceStub, store: MemoryEventStore
) -> None:
    batch = _batch(_event(), _event(), _event(), _event(event_id="gone"))
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("audit"):
        await stub.RecordEvents(batch, timeout=5)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == "events[3].event_id"
    assert store.events == ()


async def test_changes_and_security_events_arrive(
    stub: audit_pb2_grpc.AuditServiceStub, store: MemoryEventStore
) -> None:
    change = _event(
        kind=audit_pb2.EVENT_KIND_CHANGE,
        operation="api_key.create",
        change=audit_pb2.Change(after_json='{"name": "my-app"}'),
    )
    security = _event(kind=audit_pb2.EVENT_KIND_SECURITY, operation="refresh_token_reused")
    await stub.RecordEvents(_batch(change, security), timeout=5)
    assert [event.kind for event in store.events] == [EventKind.CHANGE, EventKind.SECURITY]
    assert [event.change for event in store.events] == [Change("", '{"name": "my-app"}'), None]


async def test_a_bad_side_of_a_change_is_named(stub: audit_pb2_grpc.AuditServiceStub) -> None:
    change = audit_pb2.Change(before_json="{}", after_json='["my-app"]')
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("audit"):
        await stub.RecordEvents(_batch(_event(), _event(change=change)), timeout=5)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == "events[1].change.after_json"
    assert caught.value.message == "events[1].change.after_json must be a JSON object"


async def test_a_batch_of_large_changes_is_too_large_which_tells_a_spool_to_halve_it(
    stub: audit_pb2_grpc.AuditServiceStub, store: MemoryEventStore
) -> None:
    side = '{"a": "%s"}' % ("x" * (MAXIMUM_BYTES - 9))
    batch = [_event(change=audit_pb2.Change(before_json=side, after_json=side)) for _ in range(200)]
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("audit"):
        await stub.RecordEvents(_batch(*batch), timeout=5)
    assert caught.value.kind in HOPELESS
    for half in (batch[:100], batch[100:]):
        await stub.RecordEvents(_batch(*half), timeout=5)
    assert len(store.events) == 200


async def test_an_empty_batch_is_refused(stub: audit_pb2_grpc.AuditServiceStub) -> None:
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("audit"):
        await stub.RecordEvents(_batch(), timeout=5)
    assert caught.value.param == "events"


async def test_metrics_start_at_zero(
    stub: audit_pb2_grpc.AuditServiceStub, registry: CollectorRegistry
) -> None:
    for name in ("events_stored_total", "events_duplicate_total", "record_seconds_count"):
        assert registry.get_sample_value(f"headrace_audit_{name}") == 0
