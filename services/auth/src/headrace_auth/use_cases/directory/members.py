"""An organisation's members: listing, changing and removing them."""

from dataclasses import dataclass, replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.directory_fields import check_role
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Principal, Role
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.rights import Action, Reach, authorize, check_gift, check_grant
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory.departures import (
    Place,
    end_membership,
    end_some_keys,
    end_some_sessions,
)
from headrace_auth.use_cases.directory.teams import find_team
from headrace_auth.use_cases.directory_lock import keep_an_owner, lock_directory_in_role
from headrace_auth.use_cases.pages import Page, page_of
from headrace_auth.use_cases.renewals import change_member


@dataclass(frozen=True, slots=True)
class UserView:
    """A user, and its place in the organisation that looks; None if it has none there."""

    user: User
    membership: Membership | None = None


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What is to change; None: as it is, an empty team: in none."""

    role: Role | None = None
    team_id: str | None = None


class Members:
    """Acts for a principal and never beyond its organisation."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def page(self, caller: Caller, after: Position | None, size: int) -> Page[UserView]:
        """The last who joined first; to members only themselves. Raises PERMISSION_DENIED."""
        principal = caller.identified()
        reach = authorize(principal, Action.LIST_USERS)
        equals = {"organization_id": principal.member.organization_id}
        if reach is Reach.OWN:
            equals["user_id"] = principal.member.user_id
        async with self._acts.begin(caller) as act:
            page = await page_of(act.of(Membership), after, size, **equals)
            views = [await _view(act, membership) for membership in page.items]
        return Page(views, page.next_position)

    async def get(self, caller: Caller, user_id: str) -> UserView:
        """Raises PERMISSION_DENIED or RESOURCE_NOT_FOUND."""
        principal = caller.identified()
        reach = authorize(principal, Action.GET_USER)
        if reach is Reach.OWN and user_id != principal.member.user_id:
            raise not_found(User.KIND.name)
        async with self._acts.begin(caller) as act:
            return await _view(act, await _find(act, principal, user_id))

    async def update(self, caller: Caller, user_id: str, change: MemberChange) -> UserView:
        """Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND or INVALID_FIELD."""
        principal = caller.identified()
        authorize(principal, Action.UPDATE_USER)
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, principal.member.organization_id)
            before = await _find(act, principal, user_id)
            check_grant(principal, before.role)
            view = await _view(act, before)
            after = await self._changed(act, view.user, before, change)
            if after != before:
                after = await change_member(act, before, after)
        return replace(view, membership=after)

    async def remove(self, caller: Caller, user_id: str) -> UserView:
        """With keys, sessions, limits and budgets; raises as `update`.

        Somebody with very many keys or sessions goes in several acts: those first, so that what is
        cut short can be done again.
        """
        principal = caller.identified()
        authorize(principal, Action.REMOVE_USER)
        place: Place = None
        while True:
            async with self._acts.begin(caller) as act:
                membership = await self._removable(act, principal, user_id)
                _, place = await end_some_sessions(act, membership, place)
                if await end_some_keys(act, membership) and place is None:
                    view = await _view(act, membership)
                    await end_membership(act, membership)
                    return view

    async def end_sessions(self, caller: Caller, user_id: str) -> int:
        """How many sessions ended; raises PERMISSION_DENIED or RESOURCE_NOT_FOUND."""
        principal = caller.identified()
        authorize(principal, Action.END_USER_SESSIONS)
        place: Place = None
        total = 0
        while True:
            async with self._acts.begin(caller) as act:
                membership = await _find(act, principal, user_id)
                check_grant(principal, membership.role)
                ended, place = await end_some_sessions(act, membership, place)
            total += ended
            if place is None:
                return total

    async def _removable(self, act: Act, principal: Principal, user_id: str) -> Membership:
        await lock_directory_in_role(act, principal.member.organization_id)
        membership = await _find(act, principal, user_id)
        check_grant(principal, membership.role)
        if membership.role is Role.OWNER:
            await keep_an_owner(act, membership.organization_id, user_id, "user_id")
        return membership

    async def _changed(
        self, act: Act, user: User, before: Membership, change: MemberChange
    ) -> Membership:
        after = before
        if change.role is not None and change.role is not before.role:
            check_gift(act.caller.identified(), change.role)
            check_role(user.kind, change.role)
            if before.role is Role.OWNER:
                await keep_an_owner(act, before.organization_id, user.user_id, "role")
            after = replace(after, role=change.role)
        if change.team_id is not None:
            if change.team_id:
                await find_team(act, before.organization_id, change.team_id)
            after = replace(after, team_id=change.team_id or None)
        return after


async def _find(act: Act, principal: Principal, user_id: str) -> Membership:
    """The member, locked; raises RESOURCE_NOT_FOUND."""
    organization_id = principal.member.organization_id
    membership = await act.of(Membership).get(user_id, organization_id, lock=True)
    if membership is None:
        raise not_found(User.KIND.name)
    return membership


async def _view(act: Act, membership: Membership) -> UserView:
    user = await act.of(User).get(membership.user_id)
    if user is None:
        raise not_found(User.KIND.name)
    return UserView(user, membership)
