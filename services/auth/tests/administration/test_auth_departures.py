"""What ends with a membership, and what an administrator ends of it."""

from dataclasses import replace
from datetime import timedelta

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.principal import Role, Subject
from headrace_auth.domain.sessions import Session
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.directory import ACME, ADMIN, GLOBEX, MEMBER, OWNER
from headrace_auth.testing.suites import make_key
from headrace_auth.use_cases.acts import AT_ONCE

SESSION = "01900000-0000-7000-8000-0000000000c"


def session(world: Administration, number: int, organization_id: str = ACME) -> Session:
    """MEMBER's."""
    now = world.clock.now()
    until = now + timedelta(days=1)
    return Session(f"{SESSION}{number}", MEMBER.user_id, organization_id, now, now, until)


async def _live_sessions(world: Administration) -> set[str]:
    return {each.session_id for each in await world.find(Session, ended_at=None)}


async def test_everything_of_the_member_ends_in_this_organisation(world: Administration) -> None:
    live, revoked = make_key(1), replace(make_key(2), revoked_at=world.clock.now())
    elsewhere = make_key(3, organization_id=GLOBEX)
    admins = make_key(4, made_by=ADMIN.user_id)
    here = session(world, 1)
    there = session(world, 2, organization_id=GLOBEX)
    await world.keep(live, revoked, elsewhere, admins, here, there)
    view = await world.members.remove(await world.caller(ADMIN), MEMBER.user_id)
    assert view.membership is not None
    assert (view.user.email, view.membership.role) == (MEMBER.email, Role.MEMBER)
    assert await world.get(Membership, MEMBER.user_id, ACME) is None
    assert await _live_sessions(world) == {there.session_id}
    keys = {key.api_key_id: key.revoked_at for key in await world.find(ApiKey)}
    assert keys[live.api_key_id] == world.clock.now()
    assert (keys[elsewhere.api_key_id], keys[admins.api_key_id]) == (None, None)
    assert await world.operations() == [
        "api_key.revoke",
        "limit.delete",
        "membership.delete",
        "session.end",
    ]
    assert {event.actor.user_id for event in await world.events()} == {ADMIN.user_id}


async def test_gateways_are_told_in_this_organisation_only(world: Administration) -> None:
    await world.keep(make_key(1), session(world, 1), session(world, 2, organization_id=GLOBEX))
    await world.members.remove(await world.caller(OWNER), MEMBER.user_id)
    assert set(world.announcer.announced) == {
        (ACME, f"member:{MEMBER.user_id}:1"),
        (ACME, f"session:{SESSION}1"),
        (ACME, f"session:{SESSION}2"),
    }


async def test_however_many_keys_there_are_all_end(world: Administration) -> None:
    await world.keep(*(make_key(number) for number in range(2 * AT_ONCE)))
    await world.members.remove(await world.caller(OWNER), MEMBER.user_id)
    assert await world.find(ApiKey, revoked_at=None) == []
    operations = await world.operations()
    assert operations.count("api_key.revoke") == 2 * AT_ONCE
    assert operations.count("membership.delete") == 1
    ended = [f"member:{MEMBER.user_id}:{version}" for version in (1, 2, 3)]
    assert world.announcer.announced == [(ACME, each) for each in ended]


async def test_however_many_sessions_there_are_all_end(world: Administration) -> None:
    own = session(world, 1)
    ids = [f"01900000-0000-7000-8000-000000000{number:03}" for number in range(2 * AT_ONCE + 1)]
    await world.keep(*(replace(own, session_id=each) for each in ids))
    caller = await world.caller(OWNER)
    assert await world.members.end_sessions(caller, MEMBER.user_id) == len(ids)
    assert await _live_sessions(world) == set()
    again = [replace(own, session_id=each.replace("-8000-", "-8001-")) for each in ids]
    await world.keep(*again[: 2 * AT_ONCE])
    await world.members.remove(caller, MEMBER.user_id)
    assert await _live_sessions(world) == set()


async def test_account_and_other_places_stay(world: Administration) -> None:
    await world.members.remove(await world.caller(OWNER), MEMBER.user_id)
    assert await world.get(User, MEMBER.user_id) is not None
    assert await world.get(Membership, MEMBER.user_id, GLOBEX) is not None
    about = {"subject_type": Subject.USER, "subject_id": MEMBER.user_id}
    assert [each.organization_id for each in await world.find(LimitRecord, **about)] == [GLOBEX]
    assert [each.organization_id for each in await world.find(BudgetRecord, **about)] == [GLOBEX]


async def test_an_administrator_ends_a_members_sessions_here(world: Administration) -> None:
    expired = replace(session(world, 3), expires_at=world.clock.now())
    ended = replace(session(world, 4), ended_at=world.clock.now())
    others = replace(session(world, 5), user_id=ADMIN.user_id)
    there = session(world, 2, organization_id=GLOBEX)
    await world.keep(session(world, 1), there, expired, ended, others)
    caller = await world.caller(OWNER)
    assert await world.members.end_sessions(caller, MEMBER.user_id) == 1
    assert await _live_sessions(world) == {there.session_id, others.session_id}
    assert await world.members.end_sessions(caller, MEMBER.user_id) == 0
    assert await world.operations() == ["session.end", "session.end"]
    assert {event.actor.user_id for event in await world.events()} == {OWNER.user_id}


async def test_a_session_that_has_moved_on_ends_here_and_goes_on_there(
    world: Administration,
) -> None:
    there = session(world, 2, organization_id=GLOBEX)
    await world.keep(there)
    await world.members.end_sessions(await world.caller(OWNER), MEMBER.user_id)
    ids = (f"session:{there.session_id}",)
    member = world.store.principals.member
    assert await member(MEMBER.user_id, ACME, unless_ended=ids) is None
    assert await member(MEMBER.user_id, GLOBEX, unless_ended=ids) is not None
