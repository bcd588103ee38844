"""Sessions: refreshing once and never twice, ending, switching, and what ends with them."""

import asyncio
import json
from dataclasses import replace

import pytest

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.domain.sessions import RefreshToken, Session
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER, OWNER, PASSWORD
from headrace_auth.use_cases.acts import AT_ONCE
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_auth.use_cases.sessions.own_sessions import OwnSessions
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

HERE = Caller(request_id="r1", source_address="192.0.2.7", user_agent="curl/8")


@pytest.fixture
async def logged_in(login: Login) -> LoggedIn:
    return await login.log_in(HERE, MEMBER.email, PASSWORD)


async def _as(resolver: CredentialResolver, result: LoggedIn) -> Caller:
    principal = await resolver.resolve(result.access_token)
    return replace(HERE, principal=principal, credential=result.access_token)


async def _expect_invalid(resolver: CredentialResolver, token: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await resolver.resolve(token)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID


async def _expect_refusal(sessions: OwnSessions, token: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await sessions.refresh(HERE, token)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID


def _operations(store: MemoryStore) -> list[str]:
    events = store.rows[OutboxEvent].values()
    return [audit_pb2.AuditEvent.FromString(event.payload).operation for event in events]


async def test_a_refresh_goes_on_with_the_same_session(
    sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn, clock: FakeClock
) -> None:
    clock.advance(600)
    again = await sessions.refresh(HERE, logged_in.refresh_token)
    assert again.session.session_id == logged_in.session.session_id
    assert again.session.last_used_at == clock.now()
    assert again.refresh_token != logged_in.refresh_token
    assert again.access_token != logged_in.access_token
    principal = await resolver.resolve(again.access_token)
    assert principal.session_id == logged_in.session.session_id


async def test_only_digests_of_refresh_tokens_are_kept(
    store: MemoryStore, logged_in: LoggedIn
) -> None:
    assert logged_in.refresh_token.startswith("hrr_")
    kept = repr(store.rows[RefreshToken]) + repr(store.rows[OutboxEvent]) + repr(logged_in)
    assert logged_in.refresh_token not in kept
    assert logged_in.access_token not in kept


async def test_a_second_use_ends_the_whole_session(
    sessions: OwnSessions,
    resolver: CredentialResolver,
    logged_in: LoggedIn,
    store: MemoryStore,
    announcer: MemoryRevocationAnnouncer,
) -> None:
    newest = await sessions.refresh(HERE, logged_in.refresh_token)
    await _expect_refusal(sessions, logged_in.refresh_token)
    await _expect_refusal(sessions, newest.refresh_token)
    await _expect_invalid(resolver, newest.access_token)
    await _expect_invalid(resolver, logged_in.access_token)
    assert _operations(store)[-2:] == ["refresh_token_reused", "session.end_after_reuse"]
    ended = f"session:{logged_in.session.session_id}"
    # In each organisation of the person: the session may have been in any of them.
    assert set(announcer.announced) == {(ACME, ended), (GLOBEX, ended)}


async def test_of_two_refreshes_at_once_one_wins_and_the_session_ends(
    sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn
) -> None:
    refreshes = [sessions.refresh(HERE, logged_in.refresh_token) for _ in range(2)]
    results = await asyncio.gather(*refreshes, return_exceptions=True)
    for result in results:
        if isinstance(result, LoggedIn):
            await _expect_invalid(resolver, result.access_token)
        else:
            assert isinstance(result, HeadraceError)
            assert result.reason is Reason.CREDENTIAL_INVALID
    assert any(isinstance(result, HeadraceError) for result in results)


@pytest.mark.parametrize("token", ["", "x", "hrr_", "hrr_" + "0" * 49, "hr_" + "0" * 49, "\0"])
async def test_what_is_no_refresh_token_is_refused(sessions: OwnSessions, token: str) -> None:
    await _expect_refusal(sessions, token)


async def test_an_idle_session_ends(
    sessions: OwnSessions, logged_in: LoggedIn, clock: FakeClock
) -> None:
    clock.advance(7 * 86_400)
    await _expect_refusal(sessions, logged_in.refresh_token)


async def test_no_session_outlives_its_bound(
    sessions: OwnSessions, logged_in: LoggedIn, clock: FakeClock
) -> None:
    token, end = logged_in.refresh_token, logged_in.session.expires_at
    while clock.now() < end:
        token = (await sessions.refresh(HERE, token)).refresh_token
        clock.advance(6 * 86_400)
    await _expect_refusal(sessions, token)


async def test_logging_out_ends_this_session_and_no_other(
    login: Login, sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn
) -> None:
    other = await login.log_in(HERE, MEMBER.email, PASSWORD)
    await sessions.end(await _as(resolver, logged_in), "")
    await _expect_invalid(resolver, logged_in.access_token)
    await _expect_refusal(sessions, logged_in.refresh_token)
    assert (await resolver.resolve(other.access_token)).member.user_id == MEMBER.user_id


async def test_sessions_are_listed_and_ended_by_their_owner_alone(
    login: Login, sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn
) -> None:
    other = await login.log_in(HERE, MEMBER.email, PASSWORD)
    stranger = await _as(resolver, await login.log_in(HERE, OWNER.email, PASSWORD))
    with pytest.raises(HeadraceError) as caught:
        await sessions.end(stranger, other.session.session_id)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    me = await _as(resolver, logged_in)
    listed = {session.session_id: session for session in await sessions.list(me)}
    assert set(listed) == {logged_in.session.session_id, other.session.session_id}
    assert listed[other.session.session_id].source_address == "192.0.2.7"
    assert listed[other.session.session_id].user_agent == "curl/8"
    await sessions.end(me, other.session.session_id)
    assert [each.session_id for each in await sessions.list(me)] == [logged_in.session.session_id]


async def test_logging_out_everywhere_ends_every_token(
    login: Login,
    sessions: OwnSessions,
    resolver: CredentialResolver,
    logged_in: LoggedIn,
    store: MemoryStore,
    announcer: MemoryRevocationAnnouncer,
) -> None:
    other = await login.log_in(HERE, MEMBER.email, PASSWORD)
    await sessions.end_all(await _as(resolver, logged_in))
    for result in (logged_in, other):
        await _expect_invalid(resolver, result.access_token)
        await _expect_refusal(sessions, result.refresh_token)
    assert store.rows[User][MEMBER.user_id,].token_version == 2
    ended = f"user:{MEMBER.user_id}:1"
    assert set(announcer.announced) == {(ACME, ended), (GLOBEX, ended)}
    again = await login.log_in(HERE, MEMBER.email, PASSWORD)
    await resolver.resolve(again.access_token)


async def test_very_many_sessions_do_not_keep_their_owner_from_ending_them(
    login: Login, sessions: OwnSessions, resolver: CredentialResolver, store: MemoryStore
) -> None:
    many = [await login.log_in(HERE, MEMBER.email, PASSWORD) for _ in range(AT_ONCE + 5)]
    told = len(_operations(store))
    await sessions.end_all(await _as(resolver, many[-1]))
    # One act must end within the store's deadline, whatever a thief has opened.
    assert len(_operations(store)) - told == AT_ONCE + 1
    for result in many:
        await _expect_invalid(resolver, result.access_token)
        await _expect_refusal(sessions, result.refresh_token)
    again = await login.log_in(HERE, MEMBER.email, PASSWORD)
    (listed,) = await sessions.list(await _as(resolver, again))
    assert listed.session_id == again.session.session_id


async def test_a_switch_moves_the_session_to_another_organisation(
    sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn
) -> None:
    me = await _as(resolver, logged_in)
    moved = await sessions.switch(me, GLOBEX)
    principal = await resolver.resolve(moved.access_token)
    assert (principal.member.organization_id, principal.member.role) == (GLOBEX, Role.ADMIN)
    assert principal.session_id == logged_in.session.session_id
    refreshed = await sessions.refresh(HERE, moved.refresh_token)
    assert refreshed.principal.member.organization_id == GLOBEX
    # Ending it ends the tokens of both organisations.
    await sessions.end(await _as(resolver, refreshed), "")
    await _expect_invalid(resolver, logged_in.access_token)
    await _expect_invalid(resolver, refreshed.access_token)


async def test_a_stolen_access_token_brings_no_second_chain_of_refresh_tokens(
    sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn
) -> None:
    stolen = await sessions.switch(await _as(resolver, logged_in), ACME)
    await sessions.refresh(HERE, stolen.refresh_token)
    # The owner's next refresh tells of the theft, and ends what the thief has.
    await _expect_refusal(sessions, logged_in.refresh_token)
    await _expect_invalid(resolver, stolen.access_token)


async def test_nobody_switches_to_where_they_are_not(
    login: Login, sessions: OwnSessions, resolver: CredentialResolver
) -> None:
    owner = await _as(resolver, await login.log_in(HERE, OWNER.email, PASSWORD))
    for place in (GLOBEX, "", "nonsense", "01900000-0000-7000-8000-0000000000ff"):
        with pytest.raises(HeadraceError) as caught:
            await sessions.switch(owner, place)
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_login_may_choose_the_organisation(login: Login) -> None:
    result = await login.log_in(HERE, MEMBER.email, PASSWORD, organization_id=GLOBEX)
    assert result.principal.member.organization_id == GLOBEX
    with pytest.raises(HeadraceError) as caught:
        await login.log_in(HERE, OWNER.email, PASSWORD, organization_id=GLOBEX)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "organization_id")


async def test_me_tells_who_and_where(
    sessions: OwnSessions, resolver: CredentialResolver, logged_in: LoggedIn
) -> None:
    me = await sessions.me(await _as(resolver, logged_in))
    assert (me.user.user_id, me.organization.name) == (MEMBER.user_id, "acme")
    assert {organization.name for organization, _ in me.joined} == {"acme", "globex"}
    assert not me.has_second_factor


async def test_a_session_of_an_application_is_not_refreshed_here(
    sessions: OwnSessions, store: MemoryStore, logged_in: LoggedIn
) -> None:
    session: Session = store.rows[Session][logged_in.session.session_id,]
    store.rows[Session][session.session_id,] = replace(session, client_id="app")
    await _expect_refusal(sessions, logged_in.refresh_token)


async def test_events_tell_of_sessions_without_their_tokens(
    store: MemoryStore, logged_in: LoggedIn
) -> None:
    (event,) = store.rows[OutboxEvent].values()
    told = audit_pb2.AuditEvent.FromString(event.payload)
    assert (told.operation, told.request_id) == ("session.create", "r1")
    assert told.actor.user_id == MEMBER.user_id
    after = json.loads(told.change.after_json)
    assert after["source_address"] == "192.0.2.7"
    assert set(after["scopes"]) == {scope.value for scope in Scope}
