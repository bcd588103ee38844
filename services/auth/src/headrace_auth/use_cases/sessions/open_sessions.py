"""Opening sessions and making their tokens: one place, whatever proved who somebody is."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from headrace_auth.crypto.new_secrets import new_secret
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import AccessClaims, principal_of
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import Member, Principal, Scope
from headrace_auth.domain.refusals import invalid_field, login_failed
from headrace_auth.domain.revocation_ids import session_revocation
from headrace_auth.domain.rights import effective_scopes
from headrace_auth.domain.sessions import RefreshToken, Session
from headrace_auth.ports import Principals
from headrace_auth.use_cases.acts import Act
from headrace_common.clock import Clock
from headrace_common.errors import credential_invalid
from headrace_common.ids import uuid7


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long what lives, in seconds, and how many sessions somebody has."""

    access_token_seconds: int
    refresh_token_seconds: int
    """Without a refresh for so long, a session ends."""
    session_seconds: int
    """However often it is refreshed."""
    sessions_per_user: int = 100
    """In all organisations and applications together."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session and, this once, the refresh token that goes on with it."""

    session: Session
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What a login brings: tokens, the access token's life in seconds, and whom they stand for."""

    access_token: str = field(repr=False)
    expires_in_seconds: int
    principal: Principal
    refresh_token: str = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, its life in seconds, and whom it stands for."""

    text: str = field(repr=False)
    expires_in_seconds: int
    principal: Principal


class SessionOpener:
    """Opens sessions within acts; signs their access tokens when the act is committed."""

    def __init__(
        self, principals: Principals, tokens: AccessTokens, clock: Clock, policy: SessionPolicy
    ) -> None:
        self._principals = principals
        self._tokens = tokens
        self._clock = clock
        self._policy = policy

    async def open(
        self,
        act: Act,
        user: User,
        organization_id: str,
        *,
        client_id: str = "",
        scopes: frozenset[Scope] = frozenset(Scope),
        session_id: str = "",
        refreshable: bool = True,
    ) -> OpenSession:
        """A new session of this user in that organisation, and its first refresh token, if any.

        The act has locked the user, or made it. One session too many ends the oldest.
        `session_id` is the new session's, where it has been chosen before.
        """
        await self._make_room(act, user.user_id)
        now = _whole_second(act.now)
        session = Session(
            session_id=session_id or uuid7(act.now),
            user_id=user.user_id,
            organization_id=organization_id,
            created_at=now,
            last_used_at=now,
            expires_at=now + timedelta(seconds=self._policy.session_seconds),
            client_id=client_id,
            scopes=scopes,
            token_version=user.token_version,
            source_address=act.caller.source_address,
            user_agent=act.caller.user_agent,
        )
        about = {"user_id": user.user_id, "organization_id": organization_id}
        await act.add(session, **about)
        refresh_token = await self._add_refresh_token(act, session) if refreshable else ""
        return OpenSession(session, refresh_token)

    async def refresh(self, act: Act, session: Session) -> OpenSession:
        """Go on with the session under its next refresh token."""
        used = replace(session, last_used_at=_whole_second(act.now))
        await act.of(Session).put(used)
        return OpenSession(used, await self._add_refresh_token(act, used))

    async def tokens(self, opened: OpenSession) -> LoggedIn:
        """Its tokens; call it once the act is committed. Raises CREDENTIAL_INVALID."""
        session = opened.session
        member = await self._principals.member(
            session.user_id,
            session.organization_id,
            unless_ended=(session_revocation(session.session_id),),
        )
        if member is None or member.token_version != session.token_version:
            raise credential_invalid()
        access = self.access_token(
            member, session.scopes, session_id=session.session_id, client_id=session.client_id
        )
        return LoggedIn(
            access.text,
            access.expires_in_seconds,
            access.principal,
            opened.refresh_token,
            session,
        )

    def access_token(
        self, member: Member, scopes: frozenset[Scope], *, session_id: str = "", client_id: str = ""
    ) -> AccessToken:
        """A token with those of the scopes that the member's role allows."""
        now = _whole_second(self._clock.now())
        seconds = self._policy.access_token_seconds
        claims = AccessClaims(
            token_id=uuid7(now),
            user_id=member.user_id,
            organization_id=member.organization_id,
            role=member.role,
            scopes=effective_scopes(scopes, member.role),
            token_version=member.token_version,
            issued_at=now,
            expires_at=now + timedelta(seconds=seconds),
            session_id=session_id,
            client_id=client_id,
        )
        return AccessToken(self._tokens.sign(claims), seconds, principal_of(claims, member))

    async def _make_room(self, act: Act, user_id: str) -> None:
        """End the oldest session, if the user has as many as anybody may have.

        Ids begin with the time: the first of them is the oldest, whether or not it has expired.
        """
        maximum = self._policy.sessions_per_user
        found = await act.of(Session).by_key(None, maximum, user_id=user_id, ended_at=None)
        if len(found) == maximum:
            # Locked: it may be refreshed, moved or ended at this moment.
            oldest = await act.of(Session).get(found[0].session_id, lock=True)
            if oldest is not None:
                await end_session(act, oldest, "end_for_newer")

    async def _add_refresh_token(self, act: Act, session: Session) -> str:
        secret = new_secret(TokenPrefix.REFRESH)
        idle = act.now + timedelta(seconds=self._policy.refresh_token_seconds)
        await act.of(RefreshToken).add(
            RefreshToken(
                token_sha256=secret.sha256,
                session_id=session.session_id,
                created_at=act.now,
                expires_at=min(idle, session.expires_at),
            )
        )
        return secret.reveal()


async def home_of(act: Act, user: User, organization_id: str) -> str:
    """That organisation, or if none is named the one that the user joined first.

    Raises INVALID_FIELD for one that the user is not in, LOGIN_FAILED for a user who is in none.
    """
    joined = await act.of(Membership).find(user_id=user.user_id)
    if organization_id:
        joined = [each for each in joined if each.organization_id == organization_id]
    if not joined and organization_id:
        raise invalid_field("organization_id", "you are not in this organization")
    if not joined:
        raise login_failed()
    return min(joined, key=lambda each: (each.created_at, each.organization_id)).organization_id


async def end_session(act: Act, session: Session, operation: str = "end") -> None:
    """End a session and all of its tokens, in whichever organisation they were made for."""
    if session.ended_at is None:
        ended = replace(session, ended_at=act.now)
        about = {"user_id": session.user_id, "organization_id": session.organization_id}
        await act.change(session, ended, operation, **about)
    for membership in await act.of(Membership).find(user_id=session.user_id):
        await act.end(membership.organization_id, session_revocation(session.session_id))


def _whole_second(moment: datetime) -> datetime:
    """Tokens carry whole seconds (RFC 7519, NumericDate as `iat` and `exp` have it here)."""
    return moment.replace(microsecond=0)
