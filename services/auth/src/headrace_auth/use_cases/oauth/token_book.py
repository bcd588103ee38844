"""The TokenBook over the store: what is known of clients' tokens, and their end."""

from dataclasses import replace

from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.access_tokens import AccessClaims
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.oauth_clients import granted_scopes
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.oauth_tokens import TokenDescription, TokenKind
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.revocation_ids import session_revocation
from headrace_auth.domain.sessions import RefreshToken, Session
from headrace_auth.oauth.ports import OAuthClients
from headrace_auth.ports import Principals
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.oauth.issuer import session_turn
from headrace_auth.use_cases.sessions.open_sessions import end_session
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason

TOKEN_ID_CHARACTERS = 32


class StoredTokenBook:
    """A TokenBook; it knows the tokens of clients, and none of people's own logins."""

    def __init__(
        self,
        acts: Acts,
        caller: Caller,
        clients: OAuthClients,
        principals: Principals,
        tokens: AccessTokens,
        clock: Clock,
    ) -> None:
        self._acts = acts
        self._caller = caller
        self._clients = clients
        self._principals = principals
        self._tokens = tokens
        self._clock = clock

    async def describe(self, token: str) -> TokenDescription | None:
        digest = opaque_secrets.parse(TokenPrefix.REFRESH, token)
        if digest is not None:
            return await self._describe_refresh_token(digest)
        claims = self._claims(token)
        return await self._describe_access_token(claims) if claims else None

    async def end(self, token: str, client_id: str) -> bool:
        digest = opaque_secrets.parse(TokenPrefix.REFRESH, token)
        if digest is not None:
            return await self._end_session_of(digest, client_id)
        claims = self._claims(token)
        if claims is None:
            return True
        if claims.client_id != client_id:
            return False
        async with self._acts.begin(self._caller) as act:
            await act.end(claims.organization_id, claims.token_id)
        return True

    async def end_session(self, code: AuthorizationCode) -> None:
        resource = f"session:{code.session_id}"
        about = {"user_id": code.user_id, "organization_id": code.organization_id}
        async with self._acts.begin(self._caller) as act:
            await act.alone(session_turn(code.session_id))
            await act.warn_of_refusal(
                Reason.CREDENTIAL_INVALID, "authorization_code_replayed", resource, **about
            )
            session = await act.of(Session).get(code.session_id, lock=True)
            if session is None:
                await act.end(code.organization_id, session_revocation(code.session_id))
            else:
                await end_session(act, session, "end_after_replay")

    async def _describe_access_token(self, claims: AccessClaims) -> TokenDescription | None:
        told = TokenDescription(
            kind=TokenKind.ACCESS_TOKEN,
            token_id=claims.token_id,
            session_id=claims.session_id,
            client_id=claims.client_id,
            user_id=claims.user_id,
            organization_id=claims.organization_id,
            scopes=claims.scopes,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
        )
        return await self._as_of_now(told, claims.token_version, claims.revocation_ids)

    async def _describe_refresh_token(self, digest: bytes) -> TokenDescription | None:
        async with self._acts.begin(self._caller) as act:
            token = await act.of(RefreshToken).get(digest)
            session = await act.of(Session).get(token.session_id) if token else None
        if token is None or session is None or not session.client_id:
            return None
        expires_at = min(token.expires_at, session.expires_at)
        ended = token.used_at is not None or session.ended_at is not None
        if ended or self._clock.now() >= expires_at:
            return None
        told = TokenDescription(
            kind=TokenKind.REFRESH_TOKEN,
            token_id=digest.hex()[:TOKEN_ID_CHARACTERS],
            session_id=session.session_id,
            client_id=session.client_id,
            user_id=session.user_id,
            organization_id=session.organization_id,
            scopes=session.scopes,
            issued_at=token.created_at,
            expires_at=expires_at,
        )
        return await self._as_of_now(told, session.token_version)

    async def _as_of_now(
        self, told: TokenDescription, token_version: int, revocation_ids: tuple[str, ...] = ()
    ) -> TokenDescription | None:
        """With the scopes that are left of it; None if client, user or token have ended."""
        client = await self._clients.get(told.client_id)
        member = await self._principals.member(
            told.user_id, told.organization_id, unless_ended=revocation_ids
        )
        if client is None or not client.is_live or member is None:
            return None
        if member.token_version != token_version:
            return None
        return replace(told, scopes=granted_scopes(told.scopes, client, member.role))

    async def _end_session_of(self, digest: bytes, client_id: str) -> bool:
        async with self._acts.begin(self._caller) as act:
            token = await act.of(RefreshToken).get(digest)
            session = await act.of(Session).get(token.session_id, lock=True) if token else None
            if session is None:
                return True
            if session.client_id != client_id:
                return False
            await end_session(act, session)
        return True

    def _claims(self, token: str) -> AccessClaims | None:
        """What one of our tokens for a client says, None if it is none or has expired."""
        try:
            claims = self._tokens.verify(token, self._clock.now())
        except HeadraceError:
            return None
        return claims if claims.client_id else None
