"""The authorization server's ports over the store: whatever is done is an act, and told."""

from dataclasses import dataclass, replace

from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.oauth.ports import OAuthPorts
from headrace_auth.ports import Principals
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.oauth.issuer import StoredTokenIssuer
from headrace_auth.use_cases.oauth.token_book import StoredTokenBook
from headrace_auth.use_cases.sessions.open_sessions import SessionOpener
from headrace_common.clock import Clock


class StoredOAuthClients:
    """OAuthClients as the store has them."""

    def __init__(self, acts: Acts, caller: Caller) -> None:
        self._acts = acts
        self._caller = caller

    async def get(self, client_id: str) -> OAuthClient | None:
        async with self._acts.begin(self._caller) as act:
            return await act.of(OAuthClient).get(client_id)


class StoredAuthorizationCodes:
    """AuthorizationCodes in the store; housekeeping forgets them an hour after they expired."""

    def __init__(self, acts: Acts, caller: Caller) -> None:
        self._acts = acts
        self._caller = caller

    async def put(self, code: AuthorizationCode) -> None:
        about = {"user_id": code.user_id, "organization_id": code.organization_id}
        async with self._acts.begin(self._caller) as act:
            await act.add(code, **about)

    async def take(self, code_sha256: bytes) -> AuthorizationCode | None:
        async with self._acts.begin(self._caller) as act:
            code = await act.of(AuthorizationCode).get(code_sha256, lock=True)
            if code is not None and code.used_at is None:
                # Not told: the session that it begins is, and so is a second use.
                await act.of(AuthorizationCode).put(replace(code, used_at=act.now))
            return code


@dataclass(frozen=True, slots=True)
class StoredOAuth:
    """What the ports of every request share."""

    acts: Acts
    principals: Principals
    opener: SessionOpener
    tokens: AccessTokens
    clock: Clock

    def ports(self, caller: Caller) -> OAuthPorts:
        """All ports for one request, whose caller the audit hears of."""
        clients = StoredOAuthClients(self.acts, caller)
        return OAuthPorts(
            clients=clients,
            members=self.principals,
            codes=StoredAuthorizationCodes(self.acts, caller),
            issuer=StoredTokenIssuer(self.acts, caller, self.principals, self.opener),
            tokens=StoredTokenBook(
                self.acts, caller, clients, self.principals, self.tokens, self.clock
            ),
        )
