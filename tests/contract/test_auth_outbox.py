"""Auth's outbox and the real audit: what was changed arrives once, whatever happens on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import grpc
import pytest
from prometheus_client import CollectorRegistry

from headrace.audit.v1 import audit_pb2
from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.app import build as build_audit
from headrace_audit.domain.events import Actor, Change, EventKind, Outcome
from headrace_auth.adapters.audit_events import BATCH_SIZE, EntryEncoder, OutboxDelivery
from headrace_auth.adapters.memory import (
    MemoryAnnouncements,
    MemoryRevocationAnnouncer,
    MemoryStore,
)
from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.audit_entries import AuditEntry, EntryKind
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.principal import CredentialKind, Member, Principal, Role
from headrace_auth.testing.directory import ACME, OWNER
from headrace_auth.testing.suites import keep, make_key
from headrace_auth.use_cases.acts import Acts
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving

MEMBER = Member(OWNER.user_id, ACME, Role.OWNER, 1)
PRINCIPAL = Principal("token_1", CredentialKind.ACCESS_TOKEN, MEMBER, frozenset(), (), ())
CALLER = Caller("req_1", "192.0.2.7", "curl/8", PRINCIPAL)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def acts(store: MemoryStore, clock: FakeClock) -> Acts:
    return Acts(store, MemoryRevocationAnnouncer(), clock, EntryEncoder("auth/auth-1"))


@pytest.fixture
def stored() -> MemoryEventStore:
    """What arrived at the audit."""
    return MemoryEventStore()


@pytest.fixture
async def delivery(
    store: MemoryStore, stored: MemoryEventStore, clock: FakeClock
) -> AsyncIterator[OutboxDelivery]:
    async with audit(stored, clock) as channel:
        yield OutboxDelivery(store.announcements, channel)


@asynccontextmanager
async def audit(stored: MemoryEventStore, clock: FakeClock) -> AsyncIterator[grpc.aio.Channel]:
    servicer = build_audit(store=stored, registry=CollectorRegistry(), clock=clock)
    async with serving([servicer.registration()]) as channel:
        yield channel


async def make(acts: Acts, *keys: ApiKey) -> None:
    """Each in an act of its own, as keys are made."""
    for key in keys:
        async with acts.begin(CALLER) as act:
            await act.add(key)


async def test_a_change_arrives_with_every_field_and_is_forgotten(
    acts: Acts,
    store: MemoryStore,
    stored: MemoryEventStore,
    delivery: OutboxDelivery,
    clock: FakeClock,
) -> None:
    before, after = make_key(1), replace(make_key(1), revoked_at=clock.now())
    await make(acts, before)
    async with acts.begin(CALLER) as act:
        await act.change(before, after, "revoke")
        await act.warn_of_refusal(Reason.CREDENTIAL_INVALID, "refresh_token_reused", "session:s1")
    waiting = await store.announcements.undelivered(9)
    assert await delivery.deliver() == 3
    assert await store.announcements.undelivered(9) == []
    assert await delivery.deliver() == 0
    assert [event.event_id for event in stored.events] == [UUID(one.event_id) for one in waiting]

    created, revoked, warned = sorted(stored.events, key=lambda event: event.operation)
    assert (revoked.kind, revoked.outcome) == (EventKind.CHANGE, Outcome.SUCCEEDED)
    assert (revoked.operation, revoked.resource) == (
        "api_key.revoke",
        f"api_key:{before.api_key_id}",
    )
    assert revoked.actor == Actor(OWNER.user_id, ACME, "token_1")
    assert (revoked.writer, revoked.request_id) == ("auth/auth-1", "req_1")
    assert (revoked.source_address, revoked.occurred_at) == ("192.0.2.7", clock.now())
    assert created.change is not None
    assert revoked.change is not None
    assert created.change == Change("", revoked.change.before_json)
    assert json.loads(revoked.change.before_json)["revoked_at"] is None
    assert json.loads(revoked.change.after_json)["revoked_at"] == clock.now().isoformat()
    assert (warned.kind, warned.change) == (EventKind.SECURITY, None)
    assert (warned.outcome, warned.error_reason) == (Outcome.REFUSED, "CREDENTIAL_INVALID")


async def test_what_nobody_asked_for_arrives_without_an_actor(
    acts: Acts, stored: MemoryEventStore, delivery: OutboxDelivery
) -> None:
    async with acts.begin(Caller()) as act:
        await act.warn("signing_key_rotated", "signing_key:k1")
    await delivery.deliver()
    [event] = stored.events
    assert event.actor is None
    assert event.request_id == str(event.event_id)


async def test_while_audit_is_down_events_stay_and_then_arrive(
    acts: Acts, store: MemoryStore, stored: MemoryEventStore, clock: FakeClock
) -> None:
    await make(acts, make_key(1), make_key(2))
    async with grpc.aio.insecure_channel("127.0.0.1:1") as nowhere:
        with pytest.raises(HeadraceError) as caught:
            await OutboxDelivery(store.announcements, nowhere).deliver()
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert len(await store.announcements.undelivered(9)) == 2
    async with audit(stored, clock) as channel:
        assert await OutboxDelivery(store.announcements, channel).deliver() == 2
    assert len(stored.events) == 2


async def test_an_event_whose_acknowledgement_was_lost_is_kept_once(
    acts: Acts, store: MemoryStore, stored: MemoryEventStore, delivery: OutboxDelivery
) -> None:
    await make(acts, make_key(1))
    waiting = await store.announcements.undelivered(9)
    await delivery.deliver()
    await keep(store, *waiting)  # as if the answer had never come
    assert await delivery.deliver() == 1
    assert len(stored.events) == 1


@pytest.mark.parametrize(
    "payload",
    [b"\xff\xff", b"", audit_pb2.AuditEvent(event_id="no uuid", kind="EVENT_KIND_CHANGE")],
    ids=["no message", "an empty message", "a bad id"],
)
async def test_an_event_that_audit_refuses_stays_and_holds_up_no_other(
    acts: Acts,
    store: MemoryStore,
    stored: MemoryEventStore,
    delivery: OutboxDelivery,
    clock: FakeClock,
    payload: bytes | audit_pb2.AuditEvent,
) -> None:
    raw = payload if isinstance(payload, bytes) else payload.SerializeToString()
    poison = OutboxEvent(uuid7(clock.now()), raw)
    await make(acts, make_key(1))
    await keep(store, poison)
    await make(acts, make_key(2))
    assert await delivery.deliver() == 2
    assert list(await store.announcements.undelivered(9)) == [poison]
    assert len(stored.events) == 2
    assert await delivery.deliver() == 0


async def test_nothing_that_a_caller_sends_makes_an_event_that_audit_refuses(
    acts: Acts, stored: MemoryEventStore, delivery: OutboxDelivery
) -> None:
    hostile = "\0\N{SNOWMAN}\r\n" * 1000
    models = tuple(f"{number}-" + "\N{SNOWMAN}" * 190 for number in range(100))
    key = replace(make_key(1), name="\N{SNOWMAN}" * 100, allowed_models=models)
    async with acts.begin(replace(CALLER, request_id=hostile, source_address=hostile)) as act:
        await act.add(key)
        await act.warn("unknown_session", f"session:{hostile}")
    assert await delivery.deliver() == 2
    created, _ = sorted(stored.events, key=lambda event: event.operation)
    assert created.change is not None
    shown = json.loads(created.change.after_json)
    assert (shown["name"], shown["api_key_id"]) == (key.name, key.api_key_id)
    assert set(shown["allowed_models"]) == {"bytes", "sha256"}
    assert len(created.resource) < 512


async def test_a_batch_beyond_what_one_call_may_carry_arrives_all_the_same(
    acts: Acts, stored: MemoryEventStore, delivery: OutboxDelivery
) -> None:
    models = tuple(f"{number}-" + "m" * 150 for number in range(100))
    keys = [replace(make_key(number), allowed_models=models) for number in range(BATCH_SIZE)]
    async with acts.begin(CALLER) as act:
        for key in keys:
            await act.add(key)
            await act.change(key, key)
    assert await delivery.deliver() == BATCH_SIZE
    assert await delivery.deliver() == BATCH_SIZE
    assert len(stored.events) == 2 * BATCH_SIZE


async def test_delivery_goes_on_after_outages_until_nothing_is_left(
    acts: Acts, store: MemoryStore, stored: MemoryEventStore, clock: FakeClock
) -> None:
    await make(acts, *(make_key(number) for number in range(BATCH_SIZE + 5)))
    async with audit(stored, clock) as channel:
        flaky = Flaky(store.announcements)
        task = asyncio.create_task(OutboxDelivery(flaky, channel).keep_delivering())
        async with asyncio.timeout(20):
            await flaky.empty.wait()
        task.cancel()
        await asyncio.wait([task])
    assert len(stored.events) == BATCH_SIZE + 5
    assert flaky.failures == 2


class Flaky:
    """Announcements whose database is down the first time that it is asked anything."""

    def __init__(self, announcements: MemoryAnnouncements) -> None:
        self.empty = asyncio.Event()
        self.failures = 0
        self._announcements = announcements

    async def undelivered(self, size: int) -> Sequence[OutboxEvent]:
        if self.failures == 0:
            self._fail()
        waiting = await self._announcements.undelivered(size)
        if not waiting:
            self.empty.set()
        return waiting

    async def delivered(self, event_ids: Sequence[str]) -> None:
        if self.failures == 1:
            self._fail()
        await self._announcements.delivered(event_ids)

    async def revocations_since(
        self, moment: datetime, after: Revocation | None, size: int
    ) -> tuple[Sequence[Revocation], datetime]:
        return await self._announcements.revocations_since(moment, after, size)

    def _fail(self) -> None:
        self.failures += 1
        raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down")


def test_an_entrys_time_is_exact_and_its_id_is_the_events(clock: FakeClock) -> None:
    moment = clock.now() + timedelta(microseconds=123456)
    entry = AuditEntry(uuid7(moment), EntryKind.SECURITY, moment, "o", "r", "", "")
    event = audit_pb2.AuditEvent.FromString(EntryEncoder("auth/1")(entry))
    assert event.occurred_at.ToDatetime(tzinfo=moment.tzinfo) == moment
    assert (event.event_id, event.request_id) == (entry.event_id, entry.event_id)
