"""Making, listing, renaming and deleting teams."""

from dataclasses import replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, Membership, Team
from headrace_auth.domain.fields import check_name
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Subject
from headrace_auth.domain.refusals import invalid_field, not_found
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory.departures import remove_limits_and_budgets
from headrace_auth.use_cases.directory_lock import lock_directory_in_role
from headrace_auth.use_cases.pages import Page, page_of
from headrace_common.ids import uuid7


class Teams:
    """Acts for a principal and never beyond its organisation."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def create(self, caller: Caller, name: str) -> Team:
        """Raises PERMISSION_DENIED, INVALID_FIELD or ALREADY_EXISTS."""
        organization_id = _authorized(caller, Action.CREATE_TEAM)
        check_name(name)
        async with self._acts.begin(caller) as act:
            team = Team(uuid7(act.now), organization_id, name, act.now)
            await act.add(team)
        return team

    async def page(self, caller: Caller, after: Position | None, size: int) -> Page[Team]:
        """The organisation's teams, newest first; raises PERMISSION_DENIED."""
        organization_id = _authorized(caller, Action.LIST_TEAMS)
        async with self._acts.begin(caller) as act:
            return await page_of(act.of(Team), after, size, organization_id=organization_id)

    async def rename(self, caller: Caller, team_id: str, name: str) -> Team:
        """Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, INVALID_FIELD or ALREADY_EXISTS."""
        organization_id = _authorized(caller, Action.UPDATE_TEAM)
        check_name(name)
        async with self._acts.begin(caller) as act:
            before = await find_team(act, organization_id, team_id)
            after = replace(before, name=name)
            if after != before:
                await act.change(before, after)
        return after

    async def delete(self, caller: Caller, team_id: str) -> Team:
        """With its limits and budgets; raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, INVALID_FIELD.

        A team that somebody is in, or is invited into, stays: without it its limits would be gone.
        """
        organization_id = _authorized(caller, Action.DELETE_TEAM)
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, organization_id)
            team = await find_team(act, organization_id, team_id)
            if await act.of(Membership).find(organization_id=organization_id, team_id=team_id):
                raise invalid_field("team_id", "the team has members; move them out first")
            for invitation in await act.of(Invitation).find(team_id=team_id):
                if invitation.is_open(act.now):
                    raise invalid_field(
                        "team_id", "the team has open invitations; revoke them first"
                    )
                await act.change(invitation, replace(invitation, team_id=None))
            await remove_limits_and_budgets(act, organization_id, Subject.TEAM, team_id)
            await act.remove(team)
        return team


async def find_team(act: Act, organization_id: str, team_id: str) -> Team:
    """The organisation's team, locked; raises RESOURCE_NOT_FOUND."""
    team = await act.of(Team).get(team_id, lock=True)
    if team is None or team.organization_id != organization_id:
        raise not_found(Team.KIND.name)
    return team


def _authorized(caller: Caller, action: Action) -> str:
    """The caller's organisation, if it may."""
    principal = caller.identified()
    authorize(principal, action)
    return principal.member.organization_id
