"""Accounts that administrators make, and accounts that are barred from everywhere."""

from dataclasses import replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User, UserKind
from headrace_auth.domain.fields import check_name
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.revocation_ids import user_revocation
from headrace_auth.domain.rights import Action, authorize, check_gift
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory.members import UserView
from headrace_auth.use_cases.directory.teams import find_team
from headrace_auth.use_cases.directory_lock import keep_an_owner, lock_directory_in_role
from headrace_auth.use_cases.renewals import renew_member
from headrace_auth.use_cases.sessions.dead_sessions import end_dead_sessions
from headrace_common.ids import uuid7


class ManagedAccounts:
    """Acts for a principal: in its organisation, or as an owner of the platform on any account."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def create_service(self, caller: Caller, name: str, team_id: str) -> UserView:
        """A program; raises PERMISSION_DENIED, RESOURCE_NOT_FOUND (team) or INVALID_FIELD."""
        principal = caller.identified()
        authorize(principal, Action.CREATE_SERVICE_ACCOUNT)
        check_gift(principal, Role.SERVICE)
        check_name(name)
        organization_id = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, organization_id)
            if team_id:
                await find_team(act, organization_id, team_id)
            user = User(uuid7(act.now), None, act.now, kind=UserKind.SERVICE, name=name)
            await act.add(user)
            membership = Membership(
                user.user_id, organization_id, Role.SERVICE, act.now, team_id or None
            )
            await act.add(membership)
        return UserView(user, membership)

    async def disable(self, caller: Caller, user_id: str) -> UserView:
        """Bar a user and end all of its sessions; raises PERMISSION_DENIED, RESOURCE_NOT_FOUND.

        The platform's last owner is INVALID_FIELD: nobody could enable anybody any more.
        """
        principal = caller.identified()
        authorize(principal, Action.DISABLE_USER)
        platform = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            # Locked before the directory, in the order of an act that accepts an invitation.
            user = await _find(act, user_id)
            await lock_directory_in_role(act, platform)
            membership = await act.of(Membership).get(user_id, platform)
            if membership is not None and membership.role is Role.OWNER:
                await keep_an_owner(act, platform, user_id, "user_id")
            if user.disabled_at is None:
                user = await self._bar(act, user)
        # They are dead already, by the token version.
        await end_dead_sessions(self._acts, caller, user_id=user_id)
        return UserView(user, membership)

    async def enable(self, caller: Caller, user_id: str) -> UserView:
        """Take that back; the sessions stay ended. Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND."""
        principal = caller.identified()
        authorize(principal, Action.ENABLE_USER)
        platform = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            user = await _find(act, user_id)
            await lock_directory_in_role(act, platform)
            if user.disabled_at is not None:
                enabled = replace(user, disabled_at=None)
                await act.change(user, enabled, "enable")
                user = enabled
            return UserView(user, await act.of(Membership).get(user_id, platform))

    async def _bar(self, act: Act, user: User) -> User:
        barred = replace(user, disabled_at=act.now, token_version=user.token_version + 1)
        await act.change(user, barred, "disable")
        for joined in await act.of(Membership).find(user_id=user.user_id):
            place = joined.organization_id
            await act.end(place, user_revocation(user.user_id, user.token_version))
            # Keys do not carry the token version.
            await renew_member(act, user.user_id, place)
        return barred


async def _find(act: Act, user_id: str) -> User:
    """The user, locked; raises RESOURCE_NOT_FOUND."""
    user = await act.of(User).get(user_id, lock=True)
    if user is None:
        raise not_found(User.KIND.name)
    return user
