"""Service accounts, and users whom the platform bars."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headrace_auth.domain.directory import Membership, User, UserKind
from headrace_auth.domain.principal import CredentialKind, Role, Scope
from headrace_auth.domain.sessions import Session
from headrace_auth.testing.administration import GLOBEX_TEAM, SECOND_OWNER, Administration
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    AUDITOR,
    GLOBEX,
    HOMELESS,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.testing.refusals import refusal, refused
from headrace_auth.testing.suites import make_key
from headrace_auth.use_cases.acts import AT_ONCE
from headrace_common.errors import Reason


async def test_a_service_account_is_a_user_without_address_or_password(
    world: Administration,
) -> None:
    view = await world.accounts.create_service(await world.caller(ADMIN), "nightly", ACME_TEAM)
    user = await world.get(User, view.user.user_id)
    assert user == view.user
    assert (user.kind, user.name) == (UserKind.SERVICE, "nightly")
    assert (user.email, user.password_hash) == (None, None)
    membership = await world.get(Membership, user.user_id, ACME)
    assert membership is not None
    assert membership == view.membership
    assert (membership.role, membership.team_id) == (Role.SERVICE, ACME_TEAM)
    assert await world.operations() == ["membership.create", "user.create"]


async def test_service_accounts_may_have_one_name_and_no_team(world: Administration) -> None:
    caller = await world.caller(OWNER)
    views = [await world.accounts.create_service(caller, "same", "") for _ in range(2)]
    assert len({view.user.user_id for view in views}) == 2
    assert {view.membership.team_id for view in views if view.membership} == {None}


@pytest.mark.parametrize("name", ["", "x" * 101, " x", "a\tb"])
async def test_a_service_account_needs_a_name(world: Administration, name: str) -> None:
    error = await refusal(world.accounts.create_service(await world.caller(OWNER), name, ""))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "name")


@pytest.mark.parametrize("team_id", [GLOBEX_TEAM.team_id, ACME, "x"])
async def test_a_service_account_is_in_no_team_of_others(
    world: Administration, team_id: str
) -> None:
    await world.keep(GLOBEX_TEAM)
    call = world.accounts.create_service(await world.caller(OWNER), "x", team_id)
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    assert await world.events() == []


@pytest.mark.parametrize("person", [MEMBER, AUDITOR, SERVICE])
async def test_who_makes_no_service_accounts(world: Administration, person: Person) -> None:
    call = world.accounts.create_service(await world.caller(person), "x", "")
    assert await refused(call) is Reason.PERMISSION_DENIED


async def test_a_credential_makes_no_account_that_can_do_more(world: Administration) -> None:
    caller = await world.caller(OWNER, scopes=frozenset({Scope.ORGANIZATION_WRITE}))
    error = await refusal(world.accounts.create_service(caller, "x", ""))
    assert error.reason is Reason.PERMISSION_DENIED
    assert "llm:invoke, models:read" in error.message


async def test_a_barred_user_is_nobody_anywhere(world: Administration) -> None:
    key = make_key(1)
    now = world.clock.now()
    session = Session(GLOBEX_TEAM.team_id, MEMBER.user_id, GLOBEX, now, now, now + timedelta(1))
    await world.keep(key, session)
    view = await world.accounts.disable(await world.caller(OWNER), MEMBER.user_id)
    assert view.user.disabled_at == now
    assert view.membership is not None
    for place in (ACME, GLOBEX):
        assert await world.store.principals.member(MEMBER.user_id, place) is None
    assert await world.store.principals.api_key(key.api_key_id) is None
    assert (await world.find(Session, ended_at=None)) == []
    assert await world.operations() == ["session.end", "user.disable"]
    before, after = await world.change("user.disable")
    assert (before["disabled_at"], after["token_version"]) == (None, 2)


async def test_however_many_sessions_there_are_all_end(world: Administration) -> None:
    now = world.clock.now()
    first = Session(GLOBEX_TEAM.team_id, MEMBER.user_id, GLOBEX, now, now, now + timedelta(1))
    ids = [f"01900000-0000-7000-8000-000000000{number:03}" for number in range(2 * AT_ONCE + 1)]
    await world.keep(*(replace(first, session_id=each) for each in ids))
    await world.accounts.disable(await world.caller(OWNER), MEMBER.user_id)
    assert await world.find(Session, ended_at=None) == []


async def test_gateways_everywhere_are_told(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for _ in range(2):
        await world.accounts.disable(caller, MEMBER.user_id)
    assert sorted(world.announcer.announced) == [
        (place, f"{kind}:{MEMBER.user_id}:1")
        for place in (ACME, GLOBEX)
        for kind in ("member", "user")
    ]


async def test_a_user_of_another_organisation_is_barred_and_let_in(world: Administration) -> None:
    caller = await world.caller(OWNER)
    view = await world.accounts.disable(caller, OUTSIDER.user_id)
    assert view.membership is None
    for _ in range(2):
        view = await world.accounts.enable(caller, OUTSIDER.user_id)
    assert view.user.disabled_at is None
    member = await world.store.principals.member(OUTSIDER.user_id, GLOBEX)
    assert member is not None
    # Tokens from before stay dead.
    assert (member.token_version, member.version) == (2, 2)
    assert await world.operations() == ["user.disable", "user.enable"]


async def test_who_is_in_no_organisation_can_be_barred(world: Administration) -> None:
    await world.accounts.disable(await world.caller(OWNER), HOMELESS.user_id)
    assert world.announcer.announced == []


async def test_the_platforms_last_owner_is_not_barred(world: Administration) -> None:
    caller = await world.caller(OWNER)
    error = await refusal(world.accounts.disable(caller, OWNER.user_id))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "user_id")
    await world.add_person(SECOND_OWNER)
    await world.accounts.disable(caller, OWNER.user_id)
    call = world.accounts.disable(await world.caller(SECOND_OWNER), SECOND_OWNER.user_id)
    assert await refused(call) is Reason.INVALID_FIELD


async def test_who_was_barred_meanwhile_bars_nobody(world: Administration) -> None:
    await world.add_person(SECOND_OWNER)
    late = await world.caller(OWNER)
    await world.accounts.disable(await world.caller(SECOND_OWNER), OWNER.user_id)
    call = world.accounts.disable(late, SECOND_OWNER.user_id)
    assert await refused(call) in (Reason.PERMISSION_DENIED, Reason.INVALID_FIELD)
    user = await world.get(User, SECOND_OWNER.user_id)
    assert user is not None
    assert user.disabled_at is None


@pytest.mark.parametrize("person", [ADMIN, MEMBER, AUDITOR, SERVICE, OUTSIDER])
async def test_nobody_but_the_platforms_owners_bars_anybody(
    world: Administration, person: Person
) -> None:
    caller = await world.caller(person)
    for call in (world.accounts.disable, world.accounts.enable):
        assert await refused(call(caller, MEMBER.user_id)) is Reason.PERMISSION_DENIED


async def test_a_key_or_an_application_bars_nobody(world: Administration) -> None:
    keys = await world.caller(OWNER, kind=CredentialKind.API_KEY)
    whole = await world.caller(OWNER)
    applications = replace(whole, principal=replace(whole.identified(), client_id="app"))
    for caller in (keys, applications):
        call = world.accounts.disable(caller, MEMBER.user_id)
        assert await refused(call) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("user_id", ["", "x", "\0", ACME])
async def test_who_does_not_exist_is_not_barred(world: Administration, user_id: str) -> None:
    caller = await world.caller(OWNER)
    for call in (world.accounts.disable, world.accounts.enable):
        assert await refused(call(caller, user_id)) is Reason.RESOURCE_NOT_FOUND
