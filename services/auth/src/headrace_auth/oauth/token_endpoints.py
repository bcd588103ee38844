"""Revocation (RFC 7009) and introspection (RFC 7662) as Authlib endpoints."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from headrace_auth.domain.oauth_tokens import TokenDescription, TokenKind
from headrace_auth.oauth.authlib_server import AuthlibClient, AuthlibRequest
from headrace_auth.oauth.errors import invalid_request
from headrace_auth.oauth.metadata import ALL_METHODS, CONFIDENTIAL_METHODS
from headrace_auth.oauth.scopes import format_scope


class Revocation(RevocationEndpoint):
    """Looks up and ends in one step; every token ends that a client has of its own."""

    CLIENT_AUTH_METHODS = ALL_METHODS

    def authenticate_token(self, request: AuthlibRequest, _client: AuthlibClient) -> str:
        return _token(request)

    def revoke_token(self, token: str, request: AuthlibRequest) -> None:
        """Raises InvalidGrantError for another client's token (RFC 7009, section 2.1)."""
        client_id = request.client.client.client_id
        if not self.server.wait(self.server.ports.tokens.end(token, client_id)):
            raise InvalidGrantError("the token was issued to another client")


class Introspection(IntrospectionEndpoint):
    """For confidential clients, about the tokens of their own organisation."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def authenticate_token(
        self, request: AuthlibRequest, client: AuthlibClient
    ) -> TokenDescription | None:
        """None also for another organisation's token: its existence is not told."""
        described: TokenDescription | None = self.server.wait(
            self.server.ports.tokens.describe(_token(request))
        )
        if described is None or described.organization_id != client.client.organization_id:
            return None
        return described

    def create_introspection_payload(self, token: TokenDescription | None) -> dict[str, Any]:
        """The members of RFC 7662, section 2.2, and the user's organisation as in our JWTs."""
        if token is None:
            return {"active": False}
        payload = {
            "active": True,
            "scope": format_scope(token.scopes),
            "client_id": token.client_id,
            "sub": token.user_id,
            "org": token.organization_id,
            "jti": token.token_id,
            "iat": int(token.issued_at.timestamp()),
            "exp": int(token.expires_at.timestamp()),
        }
        if token.kind is TokenKind.ACCESS_TOKEN:
            payload["token_type"] = "Bearer"  # noqa: S105 - not a password
        return payload


def _token(request: AuthlibRequest) -> str:
    # Without Authlib's check of token_type_hint: a wrong hint changes nothing (RFC 7009, 2.1).
    token = request.form.get("token")
    if token is None:
        raise invalid_request("token is missing")
    return token
