"""Members: who sees them, who changes them, and that an organisation keeps an owner."""

from dataclasses import replace

import pytest

from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.principal import CredentialKind, Role, Scope
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
from headrace_auth.use_cases.directory.members import MemberChange
from headrace_common.errors import Reason

DEMOTED = MemberChange(role=Role.MEMBER)


async def test_administrators_and_auditors_see_all_members(world: Administration) -> None:
    for person in (OWNER, ADMIN, AUDITOR):
        page = await world.members.page(await world.caller(person), None, 10)
        seen = {view.user.user_id for view in page.items}
        assert seen == {each.user_id for each in (OWNER, ADMIN, MEMBER, AUDITOR, SERVICE)}
        view = await world.members.get(await world.caller(person), MEMBER.user_id)
        assert view.user.email == MEMBER.email
        assert view.membership == await world.get(Membership, MEMBER.user_id, ACME)


async def test_members_see_themselves(world: Administration) -> None:
    caller = await world.caller(MEMBER)
    page = await world.members.page(caller, None, 10)
    assert [view.user.user_id for view in page.items] == [MEMBER.user_id]
    assert (await world.members.get(caller, MEMBER.user_id)).user.user_id == MEMBER.user_id
    assert await refused(world.members.get(caller, ADMIN.user_id)) is Reason.RESOURCE_NOT_FOUND


async def test_services_see_nobody(world: Administration) -> None:
    caller = await world.caller(SERVICE)
    assert await refused(world.members.page(caller, None, 10)) is Reason.PERMISSION_DENIED
    assert await refused(world.members.get(caller, SERVICE.user_id)) is Reason.PERMISSION_DENIED


async def test_pages_go_through_all_members(world: Administration) -> None:
    caller = await world.caller(OWNER)
    seen, after = [], None
    for size in (2, 2, 2):
        page = await world.members.page(caller, after, size)
        seen += [view.user.user_id for view in page.items]
        after = page.next_position
    assert after is None
    assert len(seen) == len(set(seen)) == 5


async def test_role_and_team_are_changed_and_told(world: Administration) -> None:
    await world.keep(replace(GLOBEX_TEAM, organization_id=ACME, name="other"))
    change = MemberChange(role=Role.AUDITOR, team_id=GLOBEX_TEAM.team_id)
    view = await world.members.update(await world.caller(ADMIN), MEMBER.user_id, change)
    assert view.membership == await world.get(Membership, MEMBER.user_id, ACME)
    before, after = await world.change("membership.update")
    assert (before["role"], before["team_id"]) == ("member", ACME_TEAM)
    assert (after["role"], after["team_id"]) == ("auditor", GLOBEX_TEAM.team_id)


async def test_gateways_are_told_of_a_change_and_only_of_one(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for _ in range(2):
        await world.members.update(caller, MEMBER.user_id, MemberChange(role=Role.ADMIN))
    assert world.announcer.announced == [(ACME, f"member:{MEMBER.user_id}:1")]
    member = await world.store.principals.member(MEMBER.user_id, ACME)
    assert member is not None
    assert (member.role, member.version, member.team_id) == (Role.ADMIN, 2, ACME_TEAM)
    elsewhere = await world.get(Membership, MEMBER.user_id, GLOBEX)
    assert elsewhere is not None
    assert elsewhere.version == 1


async def test_what_is_not_named_stays(world: Administration) -> None:
    caller = await world.caller(OWNER)
    view = await world.members.update(caller, MEMBER.user_id, MemberChange())
    assert view.membership is not None
    assert (view.membership.role, view.membership.team_id) == (Role.MEMBER, ACME_TEAM)
    view = await world.members.update(caller, MEMBER.user_id, MemberChange(team_id=""))
    assert view.membership is not None
    assert (view.membership.role, view.membership.team_id) == (Role.MEMBER, None)


async def test_admins_make_no_owners_and_touch_none(world: Administration) -> None:
    caller = await world.caller(ADMIN)
    await world.add_person(SECOND_OWNER)
    for call in (
        world.members.update(caller, MEMBER.user_id, MemberChange(role=Role.OWNER)),
        world.members.update(caller, ADMIN.user_id, MemberChange(role=Role.OWNER)),
        world.members.update(caller, OWNER.user_id, DEMOTED),
        world.members.update(caller, OWNER.user_id, MemberChange(team_id=ACME_TEAM)),
        world.members.remove(caller, OWNER.user_id),
        world.members.end_sessions(caller, OWNER.user_id),
    ):
        assert await refused(call) is Reason.PERMISSION_DENIED
    assert (await world.events(), world.announcer.announced) == ([], [])


@pytest.mark.parametrize("person", [MEMBER, AUDITOR, SERVICE])
async def test_nobody_else_changes_anybody(world: Administration, person: Person) -> None:
    caller = await world.caller(person)
    for user_id in (person.user_id, ADMIN.user_id):
        for call in (
            world.members.update(caller, user_id, MemberChange(role=Role.ADMIN)),
            world.members.remove(caller, user_id),
            world.members.end_sessions(caller, user_id),
        ):
            assert await refused(call) is Reason.PERMISSION_DENIED


async def test_a_narrow_key_gives_no_role_with_more_than_it_has(world: Administration) -> None:
    scopes = frozenset({Scope.ORGANIZATION_WRITE, Scope.ORGANIZATION_READ})
    caller = await world.caller(OWNER, scopes=scopes, kind=CredentialKind.API_KEY)
    for role in (Role.OWNER, Role.ADMIN, Role.AUDITOR):
        call = world.members.update(caller, MEMBER.user_id, MemberChange(role=role))
        assert await refused(call) is Reason.PERMISSION_DENIED
    view = await world.members.update(caller, MEMBER.user_id, MemberChange(team_id=""))
    assert view.membership is not None
    assert view.membership.team_id is None


async def test_the_last_owner_stays_one(world: Administration) -> None:
    caller = await world.caller(OWNER)
    error = await refusal(world.members.update(caller, OWNER.user_id, DEMOTED))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "role")
    error = await refusal(world.members.remove(caller, OWNER.user_id))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "user_id")
    await world.members.update(caller, OWNER.user_id, MemberChange(team_id=ACME_TEAM))


async def test_an_owner_who_is_barred_does_not_count(world: Administration) -> None:
    await world.add_person(SECOND_OWNER)
    async with world.store.begin() as transaction:
        user = await transaction.of(User).get(SECOND_OWNER.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, disabled_at=world.clock.now()))
    call = world.members.update(await world.caller(OWNER), OWNER.user_id, DEMOTED)
    assert await refused(call) is Reason.INVALID_FIELD


async def test_one_of_two_owners_may_go(world: Administration) -> None:
    await world.add_person(SECOND_OWNER)
    await world.members.remove(await world.caller(OWNER), OWNER.user_id)
    assert await world.get(Membership, OWNER.user_id, ACME) is None
    # The credential was resolved before; the right is looked up again.
    call = world.members.update(await world.caller(SECOND_OWNER), SECOND_OWNER.user_id, DEMOTED)
    assert await refused(call) is Reason.INVALID_FIELD


async def test_service_is_the_role_of_programs_only(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for person, role in ((MEMBER, Role.SERVICE), (SERVICE, Role.MEMBER), (SERVICE, Role.OWNER)):
        error = await refusal(world.members.update(caller, person.user_id, MemberChange(role=role)))
        assert (error.reason, error.param) == (Reason.INVALID_FIELD, "role")
    view = await world.members.update(caller, SERVICE.user_id, MemberChange(team_id=ACME_TEAM))
    assert view.membership is not None
    assert view.membership.team_id == ACME_TEAM


@pytest.mark.parametrize(
    "user_id", [OUTSIDER.user_id, HOMELESS.user_id, "", "x", "\0", MEMBER.user_id[:-1]]
)
async def test_who_is_elsewhere_does_not_exist_here(world: Administration, user_id: str) -> None:
    caller = await world.caller(OWNER)
    for call in (
        world.members.get(caller, user_id),
        world.members.update(caller, user_id, DEMOTED),
        world.members.remove(caller, user_id),
        world.members.end_sessions(caller, user_id),
    ):
        assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    assert await world.events() == []


@pytest.mark.parametrize("team_id", [GLOBEX_TEAM.team_id, ACME, "x", "\0"])
async def test_nobody_is_moved_into_another_organisations_team(
    world: Administration, team_id: str
) -> None:
    await world.keep(GLOBEX_TEAM)
    change = MemberChange(team_id=team_id)
    call = world.members.update(await world.caller(OWNER), MEMBER.user_id, change)
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_a_credential_of_one_organisation_changes_nothing_in_another(
    world: Administration,
) -> None:
    # MEMBER is an admin in GLOBEX, and only a member in ACME.
    caller = await world.caller(MEMBER, GLOBEX)
    call = world.members.update(caller, ADMIN.user_id, DEMOTED)
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    await world.members.update(caller, MEMBER.user_id, DEMOTED)
    assert await world.get(Membership, MEMBER.user_id, ACME) is not None
    assert world.announcer.announced == [(GLOBEX, f"member:{MEMBER.user_id}:1")]
