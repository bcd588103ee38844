"""Going on with a session, ending it, and moving it to another organisation."""

from dataclasses import dataclass, replace

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import Principal
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.revocation_ids import user_revocation
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.domain.sessions import Session
from headrace_auth.use_cases.acts import AT_ONCE, Act, Acts
from headrace_auth.use_cases.second_factor import has_second_factor
from headrace_auth.use_cases.sessions import refreshing
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn, SessionOpener, end_session
from headrace_common.errors import credential_invalid


@dataclass(frozen=True, slots=True)
class Me:
    """Who somebody is, and where else it could be."""

    principal: Principal
    user: User
    organization: Organization
    joined: tuple[tuple[Organization, Membership], ...]
    has_second_factor: bool


class OwnSessions:
    """What people do with their own sessions; all but `refresh` may raise PERMISSION_DENIED."""

    def __init__(self, acts: Acts, opener: SessionOpener) -> None:
        self._acts = acts
        self._opener = opener

    async def refresh(self, caller: Caller, refresh_token: str) -> LoggedIn:
        """New tokens for a refresh token, which is used up; raises CREDENTIAL_INVALID.

        A second use ends the session; of two refreshes at once the second one is such a use.
        """
        digest = opaque_secrets.parse(TokenPrefix.REFRESH, refresh_token)
        if digest is None:
            raise credential_invalid()
        async with self._acts.begin(caller) as act:
            found = await refreshing.usable(act, digest, client_id="")
            opened = await refreshing.use_up(act, self._opener, *found) if found else None
        # Outside of the act: that a session has ended must stay although the call fails.
        if opened is None:
            raise credential_invalid()
        return await self._opener.tokens(opened)

    async def switch(self, caller: Caller, organization_id: str) -> LoggedIn:
        """Tokens for another organisation of the person; raises RESOURCE_NOT_FOUND.

        The session's refresh token is used up, as by a refresh: else an access token that was
        stolen would bring a second one, that lives beside the owner's and that nobody misses.
        """
        principal = caller.identified()
        authorize(principal, Action.SWITCH_ORGANIZATION)
        async with self._acts.begin(caller) as act:
            member = principal.member
            if await act.of(Membership).get(member.user_id, organization_id) is None:
                raise not_found(Organization.KIND.name)
            session = await self._own(act, principal, principal.session_id)
            moved = replace(session, organization_id=organization_id)
            await act.change(session, moved, "switch")
            await refreshing.retire(act, session)
            opened = await self._opener.refresh(act, moved)
        return await self._opener.tokens(opened)

    async def list(self, caller: Caller) -> list[Session]:
        """The person's sessions that can still be used, the newest first."""
        principal = caller.identified()
        authorize(principal, Action.LIST_SESSIONS)
        async with self._acts.begin(caller) as act:
            member = principal.member
            sessions = await act.of(Session).find(
                user_id=member.user_id, token_version=member.token_version, ended_at=None
            )
            live = [session for session in sessions if act.now < session.expires_at]
        return sorted(live, key=lambda session: session.created_at, reverse=True)

    async def end(self, caller: Caller, session_id: str) -> None:
        """End one session, this one if none is named; raises RESOURCE_NOT_FOUND."""
        principal = caller.identified()
        authorize(principal, Action.END_SESSION)
        async with self._acts.begin(caller) as act:
            session = await self._own(act, principal, session_id or principal.session_id)
            await end_session(act, session)

    async def end_all(self, caller: Caller) -> None:
        """End all sessions and tokens of the person, this one included."""
        principal = caller.identified()
        authorize(principal, Action.END_ALL_SESSIONS)
        async with self._acts.begin(caller) as act:
            await end_everything(act, principal.member.user_id)

    async def me(self, caller: Caller) -> Me:
        """Who the caller is; raises CREDENTIAL_INVALID once it is nobody here any more."""
        principal = caller.identified()
        authorize(principal, Action.GET_ME)
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(principal.member.user_id)
            memberships = await act.of(Membership).find(user_id=principal.member.user_id)
            joined = [
                (organization, each)
                for each in memberships
                if (organization := await act.of(Organization).get(each.organization_id))
            ]
            here = [
                organization
                for organization, each in joined
                if each.organization_id == principal.member.organization_id
            ]
            second_factor = await has_second_factor(act, principal.member.user_id)
        if user is None or not here:
            raise credential_invalid()
        return Me(principal, user, here[0], tuple(joined), second_factor)

    async def _own(self, act: Act, principal: Principal, session_id: str) -> Session:
        session = await act.of(Session).get(session_id, lock=True) if session_id else None
        if session is None or session.user_id != principal.member.user_id:
            raise not_found(Session.KIND.name)
        return session


async def end_everything(act: Act, user_id: str) -> User | None:
    """End all sessions and access tokens of a user, everywhere; the user as it is then.

    The token version ends them, however many there are: only a bounded number is written off, too,
    so that nobody keeps an account by opening more sessions than one act can write in its time.
    """
    user = await act.of(User).get(user_id, lock=True)
    if user is None:
        return None
    for session in await act.of(Session).by_key(None, AT_ONCE, user_id=user_id, ended_at=None):
        await act.change(session, replace(session, ended_at=act.now), "end")
    later = replace(user, token_version=user.token_version + 1)
    await act.change(user, later, "end_tokens")
    for membership in await act.of(Membership).find(user_id=user_id):
        await act.end(membership.organization_id, user_revocation(user_id, user.token_version))
    return later
