"""The three ways to a token, as Authlib grants that take and issue in single steps.

Authlib's own grants look up, issue and revoke one after the other, so two callers of one code could
both win. Here the port that looks up also uses up.
"""

from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    BaseGrant,
    TokenEndpointMixin,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.oauth_clients import GrantType
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.oauth_tokens import IssuedTokens
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.oauth.authlib_server import AuthlibClient
from headrace_auth.oauth.errors import invalid_request
from headrace_auth.oauth.metadata import ALL_METHODS, CONFIDENTIAL_METHODS
from headrace_auth.oauth.scopes import format_scope, parse_scope
from headrace_common.logs import get_logger


class TokenBody(dict[str, Any]):
    """The answer of RFC 6749, section 5.1; Authlib writes it to its debug log, hence the repr."""

    def __init__(self, issued: IssuedTokens) -> None:
        super().__init__(
            access_token=issued.access_token,
            token_type="Bearer",  # noqa: S106 - not a password
            expires_in=issued.expires_in_seconds,
            scope=format_scope(issued.scopes),
        )
        if issued.refresh_token is not None:
            self["refresh_token"] = issued.refresh_token

    def __repr__(self) -> str:
        return "TokenBody()"


class AuthlibCode(AuthorizationCodeMixin):
    """Our code as Authlib's grant looks at it."""

    def __init__(self, code: AuthorizationCode) -> None:
        self.record = code
        self.code_challenge = code.code_challenge

    def get_redirect_uri(self) -> str:
        return self.record.redirect_uri

    def get_scope(self) -> str:
        return format_scope(self.record.scopes)


class CodeGrant(AuthorizationCodeGrant):
    """RFC 6749, section 4.1.3: Authlib compares the redirect URI and, with S256Only, the proof."""

    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def query_authorization_code(self, code: str, client: AuthlibClient) -> AuthlibCode | None:
        """Uses the code up, whatever comes of it: a wrong guess at the proof is the last one."""
        digest = opaque_secrets.parse(TokenPrefix.AUTHORIZATION_CODE, code)
        if digest is None:
            return None
        found: AuthorizationCode | None = self.server.wait(self.server.ports.codes.take(digest))
        if found is None:
            return None
        if found.used_at is not None:
            self._end_what_it_gave(found)
            return None
        expired = found.expires_at <= self.server.clock.now()
        if expired or found.client_id != client.client.client_id:
            return None
        return AuthlibCode(found)

    def authenticate_user(self, code: AuthlibCode) -> str:
        return code.record.user_id

    def generate_token(self, *, include_refresh_token: bool, **_unused: Any) -> TokenBody:
        issued = self.server.ports.issuer.issue_for_user(
            self.request.authorization_code.record,
            self.client.client,
            refreshable=include_refresh_token,
        )
        return TokenBody(self.server.wait(issued))

    def delete_authorization_code(self, _code: AuthlibCode) -> None:
        """Nothing: it is used, and kept so that a replay is seen."""

    def _end_what_it_gave(self, code: AuthorizationCode) -> None:
        get_logger().warning(
            "authorization_code_replayed",
            user_id=code.user_id,
            organization_id=code.organization_id,
            credential_id=code.session_id,
        )
        self.server.wait(self.server.ports.tokens.end_session(code))


class S256Only(CodeChallenge):
    """RFC 7636; every code has a challenge, so Authlib asks every client for the verifier."""

    def get_authorization_code_challenge_method(self, _code: AuthlibCode) -> str:
        return "S256"


class ServiceGrant(ClientCredentialsGrant):
    """RFC 6749, section 4.4, for clients that can keep a secret."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS

    def generate_token(self, *, scope: str | None, **_unused: Any) -> TokenBody:
        client = self.client.client
        requested = parse_scope(scope) or client.scopes
        return TokenBody(
            self.server.wait(self.server.ports.issuer.issue_for_client(client, requested))
        )


class RefreshGrant(BaseGrant, TokenEndpointMixin):
    """RFC 6749, section 6, with rotation at every use (RFC 9700, section 4.14)."""

    GRANT_TYPE = GrantType.REFRESH_TOKEN.value
    TOKEN_ENDPOINT_AUTH_METHODS = ALL_METHODS

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        if not self.client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("not a grant type of this client")
        if "refresh_token" not in self.request.form:
            raise invalid_request("refresh_token is missing")

    def create_token_response(self) -> tuple[int, TokenBody, list[tuple[str, str]]]:
        issued = self.server.wait(
            self.server.ports.issuer.refresh(
                self.request.form["refresh_token"],
                self.client.client,
                parse_scope(self.request.form.get("scope")),
            )
        )
        return 200, TokenBody(issued), self.TOKEN_RESPONSE_HEADER
