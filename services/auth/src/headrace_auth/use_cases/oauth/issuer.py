"""The TokenIssuer over the store: access tokens are JWTs, of sessions that belong to clients."""

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.announcements import Revocation
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.oauth_tokens import IssuedTokens
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import Member, Role, Scope
from headrace_auth.domain.revocation_ids import session_revocation
from headrace_auth.oauth.errors import invalid_grant, invalid_scope
from headrace_auth.oauth.scopes import grant_scopes
from headrace_auth.ports import Principals
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.sessions import refreshing
from headrace_auth.use_cases.sessions.open_sessions import OpenSession, SessionOpener, end_session


class StoredTokenIssuer:
    """A TokenIssuer; access tokens are signed once the act is committed."""

    def __init__(
        self, acts: Acts, caller: Caller, principals: Principals, opener: SessionOpener
    ) -> None:
        self._acts = acts
        self._caller = caller
        self._principals = principals
        self._opener = opener

    async def issue_for_user(
        self, code: AuthorizationCode, client: OAuthClient, *, refreshable: bool
    ) -> IssuedTokens:
        member = await self._member(code.user_id, code.organization_id)
        scopes = grant_scopes(code.scopes, client, member)
        async with self._acts.begin(self._caller) as act:
            user = await act.of(User).get(code.user_id, lock=True)
            if user is None or not user.token_version == member.token_version == code.token_version:
                raise invalid_grant()
            await act.alone(session_turn(code.session_id))
            opened = await self._opener.open(
                act,
                user,
                code.organization_id,
                client_id=client.client_id,
                scopes=code.scopes,
                session_id=code.session_id,
                refreshable=refreshable,
            )
            # The code was replayed before it was exchanged.
            ended = (code.organization_id, session_revocation(code.session_id))
            if await act.of(Revocation).get(*ended) is not None:
                await end_session(act, opened.session, "end_after_replay")
        return self._issued(opened, member, scopes)

    async def issue_for_client(
        self, client: OAuthClient, requested: frozenset[Scope]
    ) -> IssuedTokens:
        member = await self._member(client.service_user_id or "", client.organization_id)
        if member.role is not Role.SERVICE:
            raise invalid_grant()
        scopes = grant_scopes(requested, client, member)
        access = self._opener.access_token(member, scopes, client_id=client.client_id)
        return IssuedTokens(access.text, access.expires_in_seconds, None, scopes)

    async def refresh(
        self, refresh_token: str, client: OAuthClient, requested: frozenset[Scope] | None
    ) -> IssuedTokens:
        digest = opaque_secrets.parse(TokenPrefix.REFRESH, refresh_token)
        if digest is None:
            raise invalid_grant()
        async with self._acts.begin(self._caller) as act:
            found = await refreshing.usable(act, digest, client.client_id)
            if found is not None:
                session = found[1]
                member = await self._member(session.user_id, session.organization_id)
                if requested is not None and not requested <= session.scopes:
                    raise invalid_scope()
                scopes = grant_scopes(requested or session.scopes, client, member)
                opened = await refreshing.use_up(act, self._opener, *found)
        # Outside of the act: that a session has ended must stay although the call fails.
        if found is None:
            raise invalid_grant()
        return self._issued(opened, member, scopes)

    def _issued(
        self, opened: OpenSession, member: Member, scopes: frozenset[Scope]
    ) -> IssuedTokens:
        session = opened.session
        access = self._opener.access_token(
            member, scopes, session_id=session.session_id, client_id=session.client_id
        )
        return IssuedTokens(
            access.text, access.expires_in_seconds, opened.refresh_token or None, scopes
        )

    async def _member(self, user_id: str, organization_id: str) -> Member:
        member = await self._principals.member(user_id, organization_id)
        if member is None:
            raise invalid_grant()
        return member


def session_turn(session_id: str) -> str:
    """Beginning a session and ending it take turns, in either order; see `Act.alone`."""
    return f"session {session_id}"
