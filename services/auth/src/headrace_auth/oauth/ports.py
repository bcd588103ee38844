"""What the authorization server needs from outside.

Every method raises HeadraceError (DEPENDENCY_UNAVAILABLE) when it cannot tell or cannot act.
"""

from dataclasses import dataclass
from typing import Protocol

from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.oauth_tokens import IssuedTokens, TokenDescription
from headrace_auth.domain.principal import Member, Scope


class OAuthClients(Protocol):
    """The registered applications."""

    async def get(self, client_id: str) -> OAuthClient | None:
        """The client as of now, also a revoked one."""


class Members(Protocol):
    """Who belongs where; `Principals` is one."""

    async def member(self, user_id: str, organization_id: str) -> Member | None:
        """The user in that organisation."""


class AuthorizationCodes(Protocol):
    """Codes under their digests, each kept for at least ten minutes, so that replays are seen."""

    async def put(self, code: AuthorizationCode) -> None:
        """Keep a new code."""

    async def take(self, code_sha256: bytes) -> AuthorizationCode | None:
        """Use a code; returns it as it was before, so `used_at` is None for one of racing callers.

        An expired code is given out too; whoever asks looks at `expires_at`.
        """


class TokenIssuer(Protocol):
    """Makes tokens, each step whole or not at all; scopes are what `granted_scopes` leaves.

    All raise OAuthError: INVALID_GRANT if the user is no member any more, INVALID_SCOPE if no
    scope is left.
    """

    async def issue_for_user(
        self, code: AuthorizationCode, client: OAuthClient, *, refreshable: bool
    ) -> IssuedTokens:
        """Begin the code's session. If that has been ended already, the tokens are born dead.

        Raises OAuthError (INVALID_GRANT) also if the user's token version is not the code's.
        """

    async def issue_for_client(
        self, client: OAuthClient, requested: frozenset[Scope]
    ) -> IssuedTokens:
        """A token of the client's service account, without session and refresh token.

        Raises OAuthError (INVALID_GRANT) also if that account's role is not `service`.
        """

    async def refresh(
        self, refresh_token: str, client: OAuthClient, requested: frozenset[Scope] | None
    ) -> IssuedTokens:
        """Use up a refresh token and give out the next; `requested` None means all of its scopes.

        A narrower access token leaves the refresh token's scopes as they are (RFC 6749, section 6).
        Raises OAuthError: INVALID_GRANT if the token is unknown, expired, ended, another client's
        or used before, which last ends its session; INVALID_SCOPE, using nothing up, for scopes
        that the session lacks.
        """


class TokenBook(Protocol):
    """Knows every token that was issued."""

    async def describe(self, token: str) -> TokenDescription | None:
        """A token that works now: not expired, ended or used, of a member and of a live client.

        Its scopes are what `granted_scopes` leaves of them now.
        """

    async def end(self, token: str, client_id: str) -> bool:
        """End an access token, or with a refresh token, also a used one, its whole session.

        False if the token is another client's, which goes on; True if it is unknown.
        """

    async def end_session(self, code: AuthorizationCode) -> None:
        """End a code's session with all its tokens, also before it has begun."""


@dataclass(frozen=True, slots=True)
class OAuthPorts:
    """Everything together."""

    clients: OAuthClients
    members: Members
    codes: AuthorizationCodes
    issuer: TokenIssuer
    tokens: TokenBook
