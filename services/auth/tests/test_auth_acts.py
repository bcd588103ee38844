"""Acts: a change, the word of it and the end of what it ends happen together or not at all."""

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.adapters.postgres.store import TABLES
from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Team
from headrace_auth.domain.principal import CredentialKind, Member, Principal, Role
from headrace_auth.domain.records import key_of, resource_of
from headrace_auth.testing.directory import ACME, ACME_TEAM, GLOBEX, MEMBER, OWNER
from headrace_auth.testing.records import CANARY, filled
from headrace_auth.use_cases.acts import Acts
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

OWNERS = Member(OWNER.user_id, ACME, Role.OWNER, 1)
PRINCIPAL = Principal("token_1", CredentialKind.ACCESS_TOKEN, OWNERS, frozenset(), (), ())
CALLER = Caller("req_1", "192.0.2.7", "curl/8", PRINCIPAL, credential="secret credential")


def told(store: MemoryStore) -> list[audit_pb2.AuditEvent]:
    """The events of all acts, in their order."""
    waiting: dict[Any, OutboxEvent] = store.rows.get(OutboxEvent, {})
    return [audit_pb2.AuditEvent.FromString(each.payload) for each in waiting.values()]


def team_of(store: MemoryStore) -> Team:
    team = store.rows[Team][ACME_TEAM,]
    assert isinstance(team, Team)
    return team


async def test_a_change_is_told_with_before_and_after_and_who_did_it_from_where(
    acts: Acts, store: MemoryStore, clock: FakeClock
) -> None:
    before = team_of(store)
    after = replace(before, name="renamed")
    async with acts.begin(CALLER) as act:
        await act.change(before, after)
    assert team_of(store) == after
    [event] = told(store)
    assert (event.kind, event.operation) == (audit_pb2.EVENT_KIND_CHANGE, "team.update")
    assert (event.resource, event.writer) == (f"team:{ACME_TEAM}", "auth/test")
    assert (event.request_id, event.source_address) == ("req_1", "192.0.2.7")
    assert event.actor == audit_pb2.Actor(
        user_id=OWNER.user_id, organization_id=ACME, credential_id="token_1"
    )
    assert event.occurred_at.ToDatetime(tzinfo=clock.now().tzinfo) == clock.now()
    assert event.outcome == audit_pb2.OUTCOME_SUCCEEDED
    shown = {"team_id": ACME_TEAM, "organization_id": ACME, "name": "team"}
    assert json.loads(event.change.before_json).items() >= shown.items()
    assert json.loads(event.change.after_json).items() >= (shown | {"name": "renamed"}).items()


async def test_what_is_new_has_no_before_and_what_is_gone_no_after(
    acts: Acts, store: MemoryStore
) -> None:
    team = replace(team_of(store), team_id="t2", name="new")
    async with acts.begin(CALLER) as act:
        await act.add(team)
    async with acts.begin(CALLER) as act:
        await act.remove(team)
    created, deleted = told(store)
    assert (created.operation, created.change.before_json) == ("team.create", "")
    assert (deleted.operation, deleted.change.after_json) == ("team.delete", "")
    assert created.change.after_json == deleted.change.before_json != ""
    assert set(store.rows[Team]) == {(ACME_TEAM,)}


async def test_every_change_of_an_act_is_told_in_its_order(acts: Acts, store: MemoryStore) -> None:
    teams = [replace(team_of(store), team_id=f"t{n}", name=f"team {n}") for n in range(5)]
    async with acts.begin(CALLER) as act:
        for team in teams:
            await act.add(team)
    assert [event.resource for event in told(store)] == [resource_of(team) for team in teams]
    waiting = await store.announcements.undelivered(9)
    assert len({event.event_id for event in waiting}) == len(teams)


async def test_an_act_of_nobody_tells_whom_it_is_about(acts: Acts, store: MemoryStore) -> None:
    async with acts.begin(Caller()) as act:
        await act.add(
            replace(team_of(store), team_id="t2", name="new"), user_id="u1", organization_id="o1"
        )
    async with acts.begin(CALLER) as act:
        await act.warn("password_reset_requested", "user:u1", user_id="u1")
    created, warned = told(store)
    assert created.actor == audit_pb2.Actor(user_id="u1", organization_id="o1")
    assert warned.actor.user_id == "u1"
    assert warned.actor.organization_id == ACME


async def test_a_warning_is_a_security_event_without_a_change(
    acts: Acts, store: MemoryStore
) -> None:
    async with acts.begin(CALLER) as act:
        await act.warn("recovery_code_used", "second_factor:u1")
    [event] = told(store)
    assert event.kind == audit_pb2.EVENT_KIND_SECURITY
    assert (event.operation, event.resource) == ("recovery_code_used", "second_factor:u1")
    assert (event.outcome, event.error_reason) == (audit_pb2.OUTCOME_SUCCEEDED, "")
    assert not event.HasField("change")


async def test_a_warning_of_what_was_refused_says_so_and_why(
    acts: Acts, store: MemoryStore
) -> None:
    async with acts.begin(CALLER) as act:
        await act.warn_of_refusal(Reason.CREDENTIAL_INVALID, "refresh_token_reused", "session:s1")
    [event] = told(store)
    assert event.kind == audit_pb2.EVENT_KIND_SECURITY
    assert (event.outcome, event.error_reason) == (audit_pb2.OUTCOME_REFUSED, "CREDENTIAL_INVALID")


@pytest.mark.parametrize(
    "record_type",
    [record_type for record_type, _ in TABLES if record_type is not OutboxEvent],
    ids=lambda record_type: record_type.__name__,
)
async def test_no_secret_of_any_record_is_in_an_event(
    acts: Acts, store: MemoryStore, record_type: Any
) -> None:
    record = filled(record_type)
    async with acts.begin(CALLER) as act:
        await act.add(record)
        await act.change(record, record)
        await act.remove(record)
    events = told(store)
    assert [event.operation.rpartition(".")[2] for event in events] == [
        "create",
        "update",
        "delete",
    ]
    for event in events:
        payload = event.SerializeToString()
        assert b"text" in payload  # what is shown is there
        for secret in (CANARY, CALLER.credential):
            for spelling in (
                secret.encode(),
                secret.encode().hex().encode(),
                base64.b64encode(secret.encode()),
            ):
                assert spelling not in payload


async def test_an_act_that_fails_leaves_no_change_no_event_and_announces_nothing(
    acts: Acts, store: MemoryStore, announcer: MemoryRevocationAnnouncer
) -> None:
    before = {kind: dict(rows) for kind, rows in store.rows.items()}

    async def fail(error: Exception | None) -> None:
        async with acts.begin(CALLER) as act:
            await act.change(team_of(store), replace(team_of(store), name="renamed"))
            await act.warn("something", "team:1")
            await act.end(ACME, "session:s1")
            if error is not None:
                raise error
            await act.add(team_of(store))  # exists already

    with pytest.raises(HeadraceError):
        await fail(None)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await fail(RuntimeError("a fault of ours"))
    assert {kind: rows for kind, rows in store.rows.items() if rows} == before
    assert announcer.announced == []


async def test_a_refused_change_is_not_told_though_the_act_goes_on(
    acts: Acts, store: MemoryStore
) -> None:
    async with acts.begin(CALLER) as act:
        with pytest.raises(HeadraceError) as caught:
            await act.add(team_of(store))
        with pytest.raises(LookupError):
            await act.change(team_of(store), replace(team_of(store), team_id="t9", name="x"))
    assert caught.value.reason is Reason.ALREADY_EXISTS
    assert told(store) == []


async def test_what_ends_is_written_down_and_announced_after_the_act(
    acts: Acts, store: MemoryStore, announcer: MemoryRevocationAnnouncer, clock: FakeClock
) -> None:
    async with acts.begin(CALLER) as act:
        await act.end(ACME, "session:s1", "user:u1:1")
        await act.end(GLOBEX, "user:u1:1")
        assert announcer.announced == []
    assert sorted(announcer.announced) == [
        (ACME, "session:s1"),
        (ACME, "user:u1:1"),
        (GLOBEX, "user:u1:1"),
    ]
    ended, now = await store.announcements.revocations_since(
        clock.now().replace(year=2000), None, 9
    )
    assert {(one.organization_id, one.revocation_id) for one in ended} == set(announcer.announced)
    assert {one.announced_at for one in ended} == {now} == {clock.now()}


async def test_what_ends_twice_is_written_down_once_and_announced_each_time(
    acts: Acts, store: MemoryStore, announcer: MemoryRevocationAnnouncer, clock: FakeClock
) -> None:
    first = clock.now()
    for _ in range(2):
        async with acts.begin(CALLER) as act:
            await act.end(ACME, "session:s1")
        clock.advance(60)
    assert announcer.announced == [(ACME, "session:s1")] * 2
    assert list(store.rows[Revocation].values()) == [Revocation(ACME, "session:s1", first)]


class DeafAnnouncer:
    """Redis is down, for the first organisation that it is told of."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def announce(self, organization_id: str, revocation_ids: Iterable[str]) -> None:
        self.heard.append(organization_id)
        if len(self.heard) == 1:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down")


async def test_a_deaf_announcer_does_not_undo_an_act_nor_keep_others_from_hearing(
    store: MemoryStore, clock: FakeClock
) -> None:
    announcer = DeafAnnouncer()
    acts = Acts(store, announcer, clock, EntryEncoder("auth/test"))
    membership = store.rows[Membership][MEMBER.user_id, ACME]
    async with acts.begin(CALLER) as act:
        await act.remove(membership)
        await act.end(ACME, "member:1")
        await act.end(GLOBEX, "member:1")
    assert announcer.heard == [ACME, GLOBEX]
    assert key_of(membership) not in store.rows[Membership]
    assert [event.operation for event in told(store)] == ["membership.delete"]
    assert len(store.rows[Revocation]) == 2


async def test_what_is_to_be_done_afterwards_is_done_once_all_is_kept(
    acts: Acts, store: MemoryStore, announcer: MemoryRevocationAnnouncer
) -> None:
    kept: list[bool] = []

    async def look() -> None:
        kept.append(bool(store.rows[Revocation]) and not announcer.announced)

    async with acts.begin(CALLER) as act:
        act.once_kept(look)
        await act.end(ACME, "session:1")
        assert kept == []
    # Before the announcement, which may take its time.
    assert kept == [True]


async def test_what_was_undone_has_no_afterwards(acts: Acts) -> None:
    async def never() -> None:
        raise AssertionError

    async def give_up() -> None:
        async with acts.begin(CALLER) as act:
            act.once_kept(never)
            raise HeadraceError(Reason.INVALID_FIELD, "no")

    with pytest.raises(HeadraceError):
        await give_up()
