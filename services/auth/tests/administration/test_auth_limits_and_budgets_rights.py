"""Who may set which limits and budgets, and for whom; both follow the same rules."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Role, Scope, Subject
from headrace_auth.testing.administration import GLOBEX_TEAM, SECOND_OWNER, Administration
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
from headrace_auth.testing.refusals import refusal, refused
from headrace_auth.testing.suites import make_key
from headrace_auth.use_cases.directory.members import MemberChange
from headrace_auth.use_cases.limits.limits_and_budgets import CapFilter
from headrace_common.errors import Reason

Call: TypeAlias = Callable[[Caller], Awaitable[Any]]


def calls(
    world: Administration, subject: Subject, subject_id: str = "", place: str = ""
) -> Iterator[Call]:
    """All changes of this subject's limits and budgets."""
    limit = LimitRecord(place, subject, subject_id, LimitKind.TOKENS_PER_MINUTE, "", 7)
    budget = BudgetRecord(place, subject, subject_id, BudgetPeriod.DAY, 7, "EUR", "UTC")
    yield lambda caller: world.limits.set(caller, limit)
    yield lambda caller: world.budgets.set(caller, budget)
    yield lambda caller: world.limits.remove(caller, limit)
    yield lambda caller: world.budgets.remove(caller, budget)


async def reasons(
    world: Administration, caller: Caller, subject: Subject, subject_id: str = "", place: str = ""
) -> set[Reason]:
    """Why each of them is refused."""
    return {await refused(call(caller)) for call in calls(world, subject, subject_id, place)}


async def test_admins_and_owners_cap_what_is_in_their_organisation(world: Administration) -> None:
    key = make_key(1)
    await world.keep(key)
    for person in (OWNER, ADMIN):
        caller = await world.caller(person)
        for subject, subject_id in (
            (Subject.TEAM, ACME_TEAM),
            (Subject.USER, MEMBER.user_id),
            (Subject.USER, SERVICE.user_id),
            (Subject.API_KEY, key.api_key_id),
        ):
            before = len(await world.operations())
            for call in calls(world, subject, subject_id):
                await call(caller)
            assert len(await world.operations()) == before + 4, "each was done and told"


async def test_the_platforms_owners_cap_any_organisation(world: Administration) -> None:
    caller = await world.caller(OWNER)
    for place, subject_id in (("", ""), (ACME, ACME), (GLOBEX, ""), (GLOBEX, GLOBEX)):
        for call in calls(world, Subject.ORGANIZATION, subject_id, place):
            await call(caller)
    announced = {place for place, _ in world.announcer.announced}
    assert announced == {ACME, GLOBEX}


async def test_what_an_organisation_may_use_is_not_its_own_to_say(world: Administration) -> None:
    for person in (ADMIN, OUTSIDER, MEMBER, AUDITOR, SERVICE):
        found = await reasons(world, await world.caller(person), Subject.ORGANIZATION)
        assert found == {Reason.PERMISSION_DENIED}


async def test_to_all_others_another_organisation_does_not_exist(world: Administration) -> None:
    for person, place in ((ADMIN, GLOBEX), (MEMBER, GLOBEX), (OUTSIDER, ACME)):
        caller = await world.caller(person)
        for subject in Subject:
            found = await reasons(world, caller, subject, place, place)
            assert found == {Reason.RESOURCE_NOT_FOUND}
        for caps in (world.limits, world.budgets):
            for wanted in (None, Subject.ORGANIZATION):
                call = caps.page(caller, CapFilter(wanted, "", place), None, 10)
                assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_from_the_platform_only_the_whole_of_another_organisation_is_seen(
    world: Administration,
) -> None:
    caller = await world.caller(OWNER)
    found = await reasons(world, caller, Subject.USER, MEMBER.user_id, GLOBEX)
    assert found == {Reason.INVALID_FIELD}
    error = await refusal(world.limits.page(caller, CapFilter(organization_id=GLOBEX), None, 10))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "subject")
    wanted = CapFilter(Subject.ORGANIZATION, organization_id=GLOBEX)
    assert (await world.limits.page(caller, wanted, None, 10)).caps == []


@pytest.mark.parametrize("place", ["x", "\0", ACME_TEAM, ACME.upper()])
async def test_an_organisation_that_is_none_is_not_found(world: Administration, place: str) -> None:
    caller = await world.caller(OWNER)
    found = await reasons(world, caller, Subject.ORGANIZATION, "", place)
    assert found == {Reason.RESOURCE_NOT_FOUND}
    wanted = CapFilter(Subject.ORGANIZATION, organization_id=place)
    call = world.limits.page(caller, wanted, None, 10)
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_an_organisations_id_is_its_own(world: Administration) -> None:
    caller = await world.caller(OWNER)
    found = await reasons(world, caller, Subject.ORGANIZATION, GLOBEX)
    assert found == {Reason.RESOURCE_NOT_FOUND}


async def test_subjects_must_be_in_the_organisation(world: Administration) -> None:
    elsewhere = make_key(1, organization_id=GLOBEX)
    await world.keep(GLOBEX_TEAM, elsewhere)
    caller = await world.caller(OWNER)
    for subject, subject_id in (
        (Subject.TEAM, GLOBEX_TEAM.team_id),
        (Subject.USER, OUTSIDER.user_id),
        (Subject.API_KEY, elsewhere.api_key_id),
        *((subject, text) for subject in Subject for text in ("x", "\0", ACME_TEAM[:-1])),
    ):
        found = await reasons(world, caller, subject, subject_id)
        assert found == {Reason.RESOURCE_NOT_FOUND}
    assert await world.events() == []


@pytest.mark.parametrize("subject", [Subject.TEAM, Subject.USER, Subject.API_KEY])
async def test_a_subject_that_is_not_named_is_asked_for(
    world: Administration, subject: Subject
) -> None:
    caller = await world.caller(OWNER)
    unnamed = LimitRecord("", subject, "", LimitKind.CONCURRENT_REQUESTS, "", 1)
    for call in (world.limits.set(caller, unnamed), world.limits.remove(caller, unnamed)):
        error = await refusal(call)
        assert (error.reason, error.param) == (Reason.INVALID_FIELD, "subject_id")


@pytest.mark.parametrize("person", [MEMBER, AUDITOR, SERVICE])
async def test_nobody_else_caps_anybody(world: Administration, person: Person) -> None:
    key = make_key(1, made_by=person.user_id)
    await world.keep(key)
    caller = await world.caller(person)
    for subject, subject_id in (
        (Subject.TEAM, ACME_TEAM),
        (Subject.USER, person.user_id),
        (Subject.API_KEY, key.api_key_id),
    ):
        assert await reasons(world, caller, subject, subject_id) == {Reason.PERMISSION_DENIED}


async def test_services_see_no_limits(world: Administration) -> None:
    caller = await world.caller(SERVICE)
    for caps in (world.limits, world.budgets):
        call = caps.page(caller, CapFilter(), None, 10)
        assert await refused(call) is Reason.PERMISSION_DENIED


async def test_admins_do_not_cap_owners_or_their_keys(world: Administration) -> None:
    key = make_key(1, made_by=OWNER.user_id)
    await world.keep(key)
    owner, admin = await world.caller(OWNER), await world.caller(ADMIN)
    for subject, subject_id in (
        (Subject.USER, OWNER.user_id),
        (Subject.API_KEY, key.api_key_id),
    ):
        for call in list(calls(world, subject, subject_id))[:2]:
            assert await refused(call(admin)) is Reason.PERMISSION_DENIED
            await call(owner)
        for call in list(calls(world, subject, subject_id))[2:]:
            assert await refused(call(admin)) is Reason.PERMISSION_DENIED


async def test_scopes_bound_what_a_credential_caps(world: Administration) -> None:
    for lacking, subject in (
        (Scope.LIMITS_WRITE, Subject.USER),
        (Scope.PLATFORM_WRITE, Subject.ORGANIZATION),
    ):
        caller = await world.caller(OWNER, scopes=frozenset(Scope) - {lacking})
        subject_id = MEMBER.user_id if subject is Subject.USER else ""
        assert await reasons(world, caller, subject, subject_id) == {Reason.PERMISSION_DENIED}


async def test_who_was_demoted_meanwhile_caps_nobody(world: Administration) -> None:
    await world.add_person(SECOND_OWNER)
    late = await world.caller(SECOND_OWNER)
    change = MemberChange(role=Role.ADMIN)
    await world.members.update(await world.caller(OWNER), SECOND_OWNER.user_id, change)
    for subject, subject_id in ((Subject.ORGANIZATION, ""), (Subject.USER, OWNER.user_id)):
        assert await reasons(world, late, subject, subject_id) == {Reason.PERMISSION_DENIED}


async def test_a_moved_member_is_seen_with_its_new_team(world: Administration) -> None:
    other = replace(GLOBEX_TEAM, organization_id=ACME, name="other")
    await world.keep(other)
    owner = await world.caller(OWNER)
    for call in list(calls(world, Subject.TEAM, other.team_id))[:2]:
        await call(owner)
    await world.members.update(owner, MEMBER.user_id, MemberChange(team_id=other.team_id))
    page = await world.limits.page(await world.caller(MEMBER), CapFilter(Subject.TEAM), None, 10)
    assert [each.subject_id for each in page.caps] == [other.team_id]
