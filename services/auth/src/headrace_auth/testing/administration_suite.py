"""What must hold for administration over any Store, also when several act at once."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.consumption_fields import ModelPrice, PriceRequest
from headrace_auth.domain.directory import Invitation, Membership, Organization, Team, User
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Role, Subject, Tier
from headrace_auth.testing.administration import (
    GLOBEX_TEAM,
    INVITATIONS_PER_DAY,
    SECOND_OWNER,
    Administration,
)
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    AUDITOR,
    GLOBEX,
    HOMELESS,
    MEMBER,
    OWNER,
    Person,
)
from headrace_auth.testing.suites import make_key
from headrace_auth.use_cases.directory.manage_invitations import InvitationRequest
from headrace_auth.use_cases.directory.members import MemberChange
from headrace_auth.use_cases.directory.taking_invitations import accept
from headrace_auth.use_cases.limits.limits_and_budgets import CapFilter
from headrace_common.errors import HeadraceError, Reason

DEMOTED = MemberChange(role=Role.MEMBER)


async def outcomes(*calls: Awaitable[object]) -> list[Reason | None]:
    """How calls at once end: None for success."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException) and not isinstance(each, HeadraceError):
            raise each
    return [each.reason if isinstance(each, HeadraceError) else None for each in results]


async def owners(world: Administration) -> set[str]:
    """Who is an owner of ACME and can log in."""
    found = await world.find(Membership, organization_id=ACME, role=Role.OWNER)
    users = [await world.get(User, each.user_id) for each in found]
    return {user.user_id for user in users if user and user.disabled_at is None}


async def take_invitation(world: Administration, person: Person) -> Membership:
    """Accept what was mailed last."""
    digest = opaque_secrets.parse(TokenPrefix.INVITATION, world.invitation_token())
    async with world.acts.begin(Caller()) as act:
        user = await act.of(User).get(person.user_id, lock=True)
        if user is None or digest is None:
            raise LookupError("no such user, or no token")
        return await accept(act, digest, user)


class AdministrationSuite:
    """Subclasses provide a fixture `world` over a store that holds the directory."""

    async def test_two_owners_who_demote_each_other_do_not_both_succeed(
        self, world: Administration
    ) -> None:
        await world.add_person(SECOND_OWNER)
        first, second = await world.caller(OWNER), await world.caller(SECOND_OWNER)
        ends = await outcomes(
            world.members.update(first, SECOND_OWNER.user_id, DEMOTED),
            world.members.update(second, OWNER.user_id, DEMOTED),
        )
        assert sorted(ends, key=str) == [None, Reason.PERMISSION_DENIED]
        assert len(await owners(world)) == 1

    async def test_racing_invitations_are_no_more_than_a_day_has(
        self, world: Administration
    ) -> None:
        callers = [await world.caller(OWNER), await world.caller(ADMIN)]
        requests = [
            InvitationRequest(f"new{number}@new.test", Role.MEMBER)
            for number in range(INVITATIONS_PER_DAY + 4)
        ]
        ends = await outcomes(
            *(
                world.invitations.invite(callers[number % 2], request)
                for number, request in enumerate(requests)
            )
        )
        assert (
            sorted(ends, key=str)
            == [None] * INVITATIONS_PER_DAY + [Reason.REQUEST_RATE_LIMITED] * 4
        )
        assert len(await world.find(Invitation, organization_id=ACME)) == INVITATIONS_PER_DAY

    async def test_two_owners_who_both_leave_do_not_both_succeed(
        self, world: Administration
    ) -> None:
        await world.add_person(SECOND_OWNER)
        first, second = await world.caller(OWNER), await world.caller(SECOND_OWNER)
        ends = await outcomes(
            world.members.remove(first, OWNER.user_id),
            world.members.update(second, SECOND_OWNER.user_id, DEMOTED),
        )
        assert sorted(ends, key=str) == [Reason.INVALID_FIELD, None]
        assert len(await owners(world)) == 1

    async def test_two_owners_who_bar_each_other_do_not_both_succeed(
        self, world: Administration
    ) -> None:
        await world.add_person(SECOND_OWNER)
        first, second = await world.caller(OWNER), await world.caller(SECOND_OWNER)
        ends = await outcomes(
            world.accounts.disable(first, SECOND_OWNER.user_id),
            world.accounts.disable(second, OWNER.user_id),
        )
        assert ends.count(None) == 1
        assert len(await owners(world)) == 1

    async def test_price_tables_at_once_are_versions_one_after_the_other(
        self, world: Administration
    ) -> None:
        caller = await world.caller(OWNER)
        request = PriceRequest("EUR", (ModelPrice("smollm2", 1, 2),))
        ends = await outcomes(*(world.prices.set(caller, request) for _ in range(5)))
        assert ends == [None] * 5
        assert [table.version for table in await world.find(PriceTable)] == [1, 2, 3, 4, 5]
        assert (await world.prices.get(caller, 0)).version == 5
        assert await world.prices.get(caller, 3) == await world.get(PriceTable, 3)

    async def test_changes_of_one_limit_at_once_are_all_told(self, world: Administration) -> None:
        caller = await world.caller(OWNER)
        limits = [
            LimitRecord("", Subject.USER, AUDITOR.user_id, LimitKind.TOKENS_PER_MINUTE, "", amount)
            for amount in range(1, 6)
        ]
        assert await outcomes(*(world.limits.set(caller, each) for each in limits)) == [None] * 5
        assert await world.operations() == ["limit.create", *["limit.update"] * 4]
        membership = await world.get(Membership, AUDITOR.user_id, ACME)
        assert membership is not None
        assert membership.version == 6
        assert len(set(world.announcer.announced)) == 5

    async def test_tiers_at_once_are_all_told_and_the_organisation_keeps_one(
        self, world: Administration
    ) -> None:
        caller = await world.caller(OWNER)
        ends = await outcomes(*(world.tiers.set(caller, GLOBEX, each) for each in Tier))
        assert ends == [None] * 3
        told = (await world.operations()).count("organization.update")
        organization = await world.get(Organization, GLOBEX)
        assert organization is not None
        assert organization.version == told + 1
        ended = [f"organization:{version}" for version in range(1, told + 1)]
        assert sorted(world.announcer.announced) == [(GLOBEX, each) for each in ended]

    async def test_changes_of_a_member_at_once_lose_none(self, world: Administration) -> None:
        caller = await world.caller(OWNER)
        limit = LimitRecord("", Subject.USER, MEMBER.user_id, LimitKind.TOKENS_PER_MINUTE, "", 5)
        ends = await outcomes(
            world.members.update(caller, MEMBER.user_id, MemberChange(role=Role.ADMIN)),
            world.members.update(caller, MEMBER.user_id, MemberChange(team_id="")),
            world.limits.set(caller, limit),
        )
        assert ends == [None] * 3
        membership = await world.get(Membership, MEMBER.user_id, ACME)
        assert membership is not None
        assert (membership.role, membership.team_id, membership.version) == (Role.ADMIN, None, 4)

    async def test_a_team_is_not_deleted_under_somebody_who_joins_it(
        self, world: Administration
    ) -> None:
        caller = await world.caller(OWNER)
        await world.members.update(caller, MEMBER.user_id, MemberChange(team_id=""))
        ends = await outcomes(
            world.teams.delete(caller, ACME_TEAM),
            world.members.update(caller, ADMIN.user_id, MemberChange(team_id=ACME_TEAM)),
        )
        assert ends in ([None, Reason.RESOURCE_NOT_FOUND], [Reason.INVALID_FIELD, None])
        membership = await world.get(Membership, ADMIN.user_id, ACME)
        assert membership is not None
        assert (membership.team_id is None) is (await world.get(Team, ACME_TEAM) is None)

    async def test_an_invitation_that_is_taken_twice_at_once_makes_one_member(
        self, world: Administration
    ) -> None:
        request = InvitationRequest(HOMELESS.email, Role.MEMBER, ACME_TEAM)
        await world.invitations.invite(await world.caller(OWNER), request)
        ends = await outcomes(*(take_invitation(world, HOMELESS) for _ in range(3)))
        assert sorted(ends, key=str) == [None, *[Reason.RESOURCE_NOT_FOUND] * 2]
        membership = await world.get(Membership, HOMELESS.user_id, ACME)
        assert membership is not None
        assert membership.team_id == ACME_TEAM

    async def test_an_invitation_is_either_taken_or_taken_back(self, world: Administration) -> None:
        caller = await world.caller(OWNER)
        request = InvitationRequest(HOMELESS.email, Role.MEMBER)
        invitation = await world.invitations.invite(caller, request)
        ends = await outcomes(
            take_invitation(world, HOMELESS),
            world.invitations.revoke(caller, invitation.invitation_id),
        )
        assert ends in ([None, Reason.INVALID_FIELD], [Reason.RESOURCE_NOT_FOUND, None])
        kept = await world.get(Invitation, invitation.invitation_id)
        assert kept is not None
        assert (kept.accepted_at is None) is (kept.revoked_at is not None)

    async def test_a_member_who_leaves_takes_everything_along(self, world: Administration) -> None:
        keys = [make_key(number) for number in range(120)]
        budget = BudgetRecord(
            ACME, Subject.USER, MEMBER.user_id, BudgetPeriod.DAY, 5, "EUR", "Europe/Berlin"
        )
        await world.keep(*keys, budget)
        await world.members.remove(await world.caller(OWNER), MEMBER.user_id)
        live = await world.find(ApiKey, created_by=MEMBER.user_id, revoked_at=None)
        assert live == []
        assert await world.find(BudgetRecord, organization_id=ACME, subject_type=Subject.USER) == []
        assert (await world.operations()).count("api_key.revoke") == 120
        assert await world.get(Membership, MEMBER.user_id, GLOBEX) is not None

    async def test_a_deleted_team_leaves_no_trace_in_old_invitations(
        self, world: Administration
    ) -> None:
        caller = await world.caller(OWNER)
        team = await world.teams.create(caller, "short-lived")
        request = InvitationRequest(HOMELESS.email, Role.MEMBER, team.team_id)
        invitation = await world.invitations.invite(caller, request)
        await world.invitations.revoke(caller, invitation.invitation_id)
        await world.teams.delete(caller, team.team_id)
        kept = await world.get(Invitation, invitation.invitation_id)
        assert kept is not None
        assert kept.team_id is None

    async def test_lists_go_on_where_they_stopped(self, world: Administration) -> None:
        caller = await world.caller(OWNER)
        world.clock.advance(86_400)
        for number in range(3):
            await world.teams.create(caller, f"team {number}")
            await world.accounts.create_service(caller, f"program {number}", "")
            await world.organizations.create(caller, f"tenant {number}", f"boss{number}@new.test")
        teams = await world.teams.page(caller, None, 3)
        more_teams = await world.teams.page(caller, teams.next_position, 3)
        names = {team.name for team in teams.items + more_teams.items}
        assert names == {"team 0", "team 1", "team 2", "team"}
        members, after = [], None
        for _ in range(3):
            page = await world.members.page(caller, after, 3)
            members += [view.user.user_id for view in page.items]
            after = page.next_position
        assert (len(set(members)), after) == (8, None)
        tenants = await world.organizations.page(caller, None, 4)
        more_tenants = await world.organizations.page(caller, tenants.next_position, 4)
        assert len({each.organization_id for each in tenants.items + more_tenants.items}) == 5

    async def test_limits_are_listed_by_key_without_gap_or_repetition(
        self, world: Administration
    ) -> None:
        models = ["", "a", "B", "é", "z/1", "\N{SNOWMAN}", "x" * 200]
        await world.keep(
            *(
                LimitRecord(ACME, Subject.TEAM, ACME_TEAM, LimitKind.CONCURRENT_REQUESTS, model, 5)
                for model in models
            )
        )
        seen, after = [], None
        while True:
            page = await world.limits.page(
                await world.caller(AUDITOR), CapFilter(Subject.TEAM), after, 3
            )
            seen += [(each.kind, each.model) for each in page.caps]
            after = page.next_key
            if after is None:
                break
        assert len(seen) == len(set(seen)) == len(models) + 1

    @pytest.mark.parametrize("text", ["", "x", "\0", ACME.upper(), "' OR 1=1 --"])
    async def test_text_that_is_no_id_names_nothing(self, world: Administration, text: str) -> None:
        caller = await world.caller(OWNER)
        limit = LimitRecord("", Subject.USER, text or " ", LimitKind.TOKENS_PER_MINUTE, "", 1)
        calls = [
            world.members.get(caller, text),
            world.members.update(caller, text, DEMOTED),
            world.members.remove(caller, text),
            world.members.end_sessions(caller, text),
            world.accounts.disable(caller, text),
            world.accounts.enable(caller, text),
            world.teams.rename(caller, text, "x"),
            world.teams.delete(caller, text),
            world.organizations.get(caller, text),
            world.invitations.revoke(caller, text),
            world.limits.set(caller, limit),
            world.limits.set(caller, replace(limit, subject_type=Subject.TEAM)),
            world.limits.set(caller, replace(limit, subject_type=Subject.API_KEY)),
            world.limits.remove(caller, limit),
        ]
        assert set(await outcomes(*calls)) == {Reason.RESOURCE_NOT_FOUND}
        found = await world.limits.page(caller, CapFilter(subject_id=text or "x"), None, 10)
        assert found.caps == []

    async def test_who_joins_again_begins_anew(self, world: Administration) -> None:
        caller = await world.caller(OWNER)
        for _ in range(2):
            request = InvitationRequest(HOMELESS.email, Role.MEMBER)
            await world.invitations.invite(caller, request)
            membership = await take_invitation(world, HOMELESS)
            carried = f"member:{HOMELESS.user_id}:{membership.version}"
            assert (ACME, carried) not in world.announcer.announced
            await world.members.remove(caller, HOMELESS.user_id)
        organization = await world.get(Organization, ACME)
        assert organization is not None
        assert organization.version == 1

    async def test_another_organisations_team_takes_nobody(self, world: Administration) -> None:
        await world.keep(GLOBEX_TEAM)
        caller = await world.caller(OWNER)
        change = MemberChange(team_id=GLOBEX_TEAM.team_id)
        ends = await outcomes(world.members.update(caller, MEMBER.user_id, change))
        assert ends == [Reason.RESOURCE_NOT_FOUND]
