"""Opaque tokens of the authorization server in this process's memory."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headrace_auth.domain.oauth_clients import OAuthClient, granted_scopes
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.oauth_tokens import IssuedTokens, TokenDescription, TokenKind
from headrace_auth.domain.principal import Member, Role, Scope
from headrace_auth.domain.sessions import Session
from headrace_auth.oauth.errors import invalid_grant, invalid_scope
from headrace_auth.oauth.ports import Members, OAuthClients
from headrace_common.clock import Clock
from headrace_common.ids import uuid7

ACCESS_TOKEN_LIFE = timedelta(minutes=30)
SESSION_LIFE = timedelta(days=30)
NO_SESSION = ""


@dataclass(slots=True)
class MemoryToken:
    """A token's row; a service's tokens have a session without an id."""

    kind: TokenKind
    token_id: str
    session: Session
    scopes: frozenset[Scope]
    issued_at: datetime
    expires_at: datetime
    ended: bool = False


@dataclass(slots=True)
class MemoryTokenRows:
    """Tokens under their texts, and the sessions that ended, begun or not."""

    tokens: dict[str, MemoryToken] = field(default_factory=dict, repr=False)
    ended_sessions: set[str] = field(default_factory=set)

    def works(self, row: MemoryToken, member: Member, now: datetime) -> bool:
        ended = row.ended or row.session.session_id in self.ended_sessions
        same_version = row.session.token_version == member.token_version
        return not ended and now < row.expires_at and same_version

    def end_session_of(self, row: MemoryToken) -> None:
        if row.session.session_id != NO_SESSION:
            self.ended_sessions.add(row.session.session_id)

    def add(
        self, kind: TokenKind, session: Session, scopes: frozenset[Scope], now: datetime
    ) -> str:
        access = kind is TokenKind.ACCESS_TOKEN
        expires_at = now + ACCESS_TOKEN_LIFE if access else session.expires_at
        text = secrets.token_urlsafe(32)
        self.tokens[text] = MemoryToken(kind, uuid7(now), session, scopes, now, expires_at)
        return text


class MemoryTokenIssuer:
    """A TokenIssuer; what it does after its last `await` happens at once."""

    def __init__(self, rows: MemoryTokenRows, members: Members, clock: Clock) -> None:
        self._rows = rows
        self._members = members
        self._clock = clock

    async def issue_for_user(
        self, code: AuthorizationCode, client: OAuthClient, *, refreshable: bool
    ) -> IssuedTokens:
        member = await self._member(code.user_id, code.organization_id)
        if member.token_version != code.token_version:
            raise invalid_grant()
        scopes = _granted(code.scopes, client, member)
        session = self._session(code.session_id, client, member, code.scopes)
        return self._issue(session, scopes, refreshable=refreshable)

    async def issue_for_client(
        self, client: OAuthClient, requested: frozenset[Scope]
    ) -> IssuedTokens:
        member = await self._member(client.service_user_id or "", client.organization_id)
        if member.role is not Role.SERVICE:
            raise invalid_grant()
        scopes = _granted(requested, client, member)
        session = self._session(NO_SESSION, client, member, scopes)
        return self._issue(session, scopes, refreshable=False)

    async def refresh(
        self, refresh_token: str, client: OAuthClient, requested: frozenset[Scope] | None
    ) -> IssuedTokens:
        row = self._rows.tokens.get(refresh_token)
        if row is None or row.kind is not TokenKind.REFRESH_TOKEN:
            raise invalid_grant()
        session = row.session
        if session.client_id != client.client_id:
            raise invalid_grant()
        member = await self._member(session.user_id, session.organization_id)
        if row.ended:
            self._rows.end_session_of(row)
        if not self._rows.works(row, member, self._clock.now()):
            raise invalid_grant()
        if requested is not None and not requested <= session.scopes:
            raise invalid_scope()
        scopes = _granted(requested or session.scopes, client, member)
        row.ended = True
        return self._issue(session, scopes, refreshable=True)

    async def _member(self, user_id: str, organization_id: str) -> Member:
        member = await self._members.member(user_id, organization_id)
        if member is None:
            raise invalid_grant()
        return member

    def _session(
        self, session_id: str, client: OAuthClient, member: Member, scopes: frozenset[Scope]
    ) -> Session:
        now = self._clock.now()
        return Session(
            session_id=session_id,
            user_id=member.user_id,
            organization_id=member.organization_id,
            created_at=now,
            last_used_at=now,
            expires_at=now + SESSION_LIFE,
            client_id=client.client_id,
            scopes=scopes,
            token_version=member.token_version,
        )

    def _issue(
        self, session: Session, scopes: frozenset[Scope], *, refreshable: bool
    ) -> IssuedTokens:
        now, add = self._clock.now(), self._rows.add
        return IssuedTokens(
            add(TokenKind.ACCESS_TOKEN, session, scopes, now),
            int(ACCESS_TOKEN_LIFE.total_seconds()),
            add(TokenKind.REFRESH_TOKEN, session, session.scopes, now) if refreshable else None,
            scopes,
        )


class MemoryTokenBook:
    """A TokenBook over an issuer's rows."""

    def __init__(
        self, rows: MemoryTokenRows, clients: OAuthClients, members: Members, clock: Clock
    ) -> None:
        self._rows = rows
        self._clients = clients
        self._members = members
        self._clock = clock

    async def describe(self, token: str) -> TokenDescription | None:
        row = self._rows.tokens.get(token)
        if row is None:
            return None
        session = row.session
        client = await self._clients.get(session.client_id)
        member = await self._members.member(session.user_id, session.organization_id)
        if client is None or not client.is_live or member is None:
            return None
        if not self._rows.works(row, member, self._clock.now()):
            return None
        return TokenDescription(
            kind=row.kind,
            token_id=row.token_id,
            session_id=session.session_id,
            client_id=session.client_id,
            user_id=session.user_id,
            organization_id=session.organization_id,
            scopes=granted_scopes(row.scopes, client, member.role),
            issued_at=row.issued_at,
            expires_at=row.expires_at,
        )

    async def end(self, token: str, client_id: str) -> bool:
        row = self._rows.tokens.get(token)
        if row is None:
            return True
        if row.session.client_id != client_id:
            return False
        row.ended = True
        if row.kind is TokenKind.REFRESH_TOKEN:
            self._rows.end_session_of(row)
        return True

    async def end_session(self, code: AuthorizationCode) -> None:
        self._rows.ended_sessions.add(code.session_id)


def _granted(requested: frozenset[Scope], client: OAuthClient, member: Member) -> frozenset[Scope]:
    scopes = granted_scopes(requested, client, member.role)
    if not scopes:
        raise invalid_scope()
    return scopes
