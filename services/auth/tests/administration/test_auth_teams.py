"""Teams: made, renamed and deleted within their organisation, and never with somebody in them."""

from datetime import timedelta

import pytest

from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Invitation, Membership, Team
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Role, Scope, Subject
from headrace_auth.testing.administration import GLOBEX_TEAM, Administration
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    AUDITOR,
    GLOBEX,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.testing.refusals import refused
from headrace_auth.use_cases.directory.members import MemberChange
from headrace_common.errors import HeadraceError, Reason


async def test_a_team_is_made_and_told(world: Administration) -> None:
    team = await world.teams.create(await world.caller(ADMIN), "research")
    assert await world.get(Team, team.team_id) == team
    assert (team.organization_id, team.created_at) == (ACME, world.clock.now())
    [event] = await world.events()
    assert (event.operation, event.resource) == ("team.create", f"team:{team.team_id}")
    assert (event.actor.user_id, event.actor.organization_id) == (ADMIN.user_id, ACME)
    assert (await world.change("team.create"))[1]["name"] == "research"


async def test_a_name_is_taken_within_its_organisation_only(world: Administration) -> None:
    assert await refused(world.teams.create(await world.caller(OWNER), "team")) is (
        Reason.ALREADY_EXISTS
    )
    await world.teams.create(await world.caller(OUTSIDER), "team")
    assert await world.operations() == ["team.create"]


@pytest.mark.parametrize("name", ["", " x", "x ", "a\nb", "x" * 101, "\0", "a\u2028b"])
async def test_names_have_a_rule(world: Administration, name: str) -> None:
    for call in (
        world.teams.create(await world.caller(OWNER), name),
        world.teams.rename(await world.caller(OWNER), ACME_TEAM, name),
    ):
        with pytest.raises(HeadraceError, match="name") as caught:
            await call
        assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "name")


async def test_a_team_is_renamed_and_told_once(world: Administration) -> None:
    caller = await world.caller(ADMIN)
    for _ in range(2):
        assert (await world.teams.rename(caller, ACME_TEAM, "x")).name == "x"
    before, after = await world.change("team.update")
    assert (before["name"], after["name"]) == ("team", "x")


async def test_everybody_but_services_sees_all_teams_of_the_own_organisation(
    world: Administration,
) -> None:
    await world.keep(GLOBEX_TEAM)
    for person in (OWNER, ADMIN, MEMBER, AUDITOR):
        page = await world.teams.page(await world.caller(person), None, 10)
        assert [team.team_id for team in page.items] == [ACME_TEAM]
    caller = await world.caller(MEMBER, GLOBEX)
    assert (await world.teams.page(caller, None, 10)).items == [GLOBEX_TEAM]


async def test_pages_of_teams_end(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for number in range(4):
        world.clock.advance(1)
        await world.teams.create(caller, f"team {number}")
    first = await world.teams.page(caller, None, 3)
    assert first.next_position is not None
    second = await world.teams.page(caller, first.next_position, 3)
    names = [team.name for team in first.items + second.items]
    assert names == ["team 3", "team 2", "team 1", "team 0", "team"]
    assert second.next_page_token == ""


async def test_a_team_with_members_stays(world: Administration) -> None:
    with pytest.raises(HeadraceError, match="move them out first") as caught:
        await world.teams.delete(await world.caller(OWNER), ACME_TEAM)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "team_id")
    assert await world.get(Team, ACME_TEAM) is not None
    assert await world.events() == []


async def test_a_team_that_somebody_is_invited_into_stays(world: Administration) -> None:
    caller = await world.caller(OWNER)
    await world.members.update(caller, MEMBER.user_id, MemberChange(team_id=""))
    await world.keep(_invitation(world))
    with pytest.raises(HeadraceError, match="revoke them first"):
        await world.teams.delete(caller, ACME_TEAM)
    world.clock.advance(3600)
    await world.teams.delete(caller, ACME_TEAM)
    [kept] = await world.find(Invitation)
    assert kept.team_id is None


async def test_limits_and_budgets_go_with_the_team(world: Administration) -> None:
    caller = await world.caller(ADMIN)
    await world.members.update(caller, MEMBER.user_id, MemberChange(team_id=""))
    budget = BudgetRecord(ACME, Subject.TEAM, ACME_TEAM, BudgetPeriod.DAY, 5, "EUR", "UTC")
    other = LimitRecord(GLOBEX, Subject.TEAM, ACME_TEAM, LimitKind.CONCURRENT_REQUESTS, "", 5)
    await world.keep(budget, other)
    assert (await world.teams.delete(caller, ACME_TEAM)).name == "team"
    assert await world.find(Team) == []
    assert await world.find(LimitRecord, subject_type=Subject.TEAM) == [other]
    assert await world.find(BudgetRecord, subject_type=Subject.TEAM) == []
    assert await world.operations() == [
        "budget.delete",
        "limit.delete",
        "membership.update",
        "team.delete",
    ]
    before, after = await world.change("limit.delete")
    assert (before["amount"], after) == (50_000, {})


@pytest.mark.parametrize("person", [MEMBER, AUDITOR, SERVICE])
async def test_who_may_not_change_teams(world: Administration, person: Person) -> None:
    caller = await world.caller(person)
    for call in (
        world.teams.create(caller, "x"),
        world.teams.rename(caller, ACME_TEAM, "x"),
        world.teams.delete(caller, ACME_TEAM),
    ):
        assert await refused(call) is Reason.PERMISSION_DENIED
    assert await world.events() == []


async def test_services_see_no_teams(world: Administration) -> None:
    call = world.teams.page(await world.caller(SERVICE), None, 10)
    assert await refused(call) is Reason.PERMISSION_DENIED


async def test_a_credential_without_the_scope_changes_nothing(world: Administration) -> None:
    caller = await world.caller(OWNER, scopes=frozenset(Scope) - {Scope.ORGANIZATION_WRITE})
    assert await refused(world.teams.create(caller, "x")) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("team_id", [ACME_TEAM, ACME, "", "x", "\0", "' OR 1=1 --"])
async def test_another_organisations_team_and_no_team_are_the_same(
    world: Administration, team_id: str
) -> None:
    caller = await world.caller(OUTSIDER)
    assert await refused(world.teams.rename(caller, team_id, "x")) is Reason.RESOURCE_NOT_FOUND
    assert await refused(world.teams.delete(caller, team_id)) is Reason.RESOURCE_NOT_FOUND
    assert [team.name for team in await world.find(Team)] == ["team"]


async def test_who_was_demoted_meanwhile_deletes_nothing(world: Administration) -> None:
    caller = await world.caller(ADMIN)
    owner = await world.caller(OWNER)
    await world.members.update(owner, ADMIN.user_id, MemberChange(role=Role.MEMBER))
    await world.members.update(owner, MEMBER.user_id, MemberChange(team_id=""))
    assert await refused(world.teams.delete(caller, ACME_TEAM)) is Reason.PERMISSION_DENIED


def _invitation(world: Administration) -> Invitation:
    now = world.clock.now()
    return Invitation(
        GLOBEX_TEAM.team_id,
        ACME,
        "new@acme.test",
        Role.MEMBER,
        b"\x01" * 32,
        OWNER.user_id,
        now,
        now + timedelta(hours=1),
        ACME_TEAM,
    )


async def test_members_are_counted_in_their_own_organisation(world: Administration) -> None:
    caller = await world.caller(OWNER)
    await world.members.remove(caller, MEMBER.user_id)
    await world.teams.delete(caller, ACME_TEAM)
    assert await world.get(Membership, MEMBER.user_id, GLOBEX) is not None
