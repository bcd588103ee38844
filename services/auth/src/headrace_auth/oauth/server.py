"""The authorization server as the rest of the service sees it.

check_authorization -> (a consent page) -> approve or deny      the person, in a browser
token, revoke, introspect                                       the client, by itself
"""

from collections.abc import Callable
from datetime import timedelta

from headrace_auth.crypto.new_secrets import new_secret
from headrace_auth.domain.oauth_clients import GrantType, OAuthClient, granted_scopes
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.opaque_secrets import Secret, TokenPrefix
from headrace_auth.domain.principal import Member, Scope
from headrace_auth.domain.refusals import invalid_field, permission_denied
from headrace_auth.oauth import authorization
from headrace_auth.oauth.authlib_server import AuthlibRequest, AuthlibServer
from headrace_auth.oauth.authorization import PendingAuthorization
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.errors import (
    AuthorizationError,
    ErrorCode,
    OAuthError,
    invalid_request,
    invalid_scope,
    unsupported_grant_type,
)
from headrace_auth.oauth.grants import CodeGrant, RefreshGrant, S256Only, ServiceGrant
from headrace_auth.oauth.messages import (
    OAuthRequest,
    OAuthResponse,
    error_response,
    read_parameters,
)
from headrace_auth.oauth.ports import OAuthPorts
from headrace_auth.oauth.token_endpoints import Introspection, Revocation
from headrace_common.clock import Clock
from headrace_common.ids import uuid7

GRANTS = ((CodeGrant, (S256Only(),)), (ServiceGrant, ()), (RefreshGrant, ()))
CODE_LIFE = timedelta(seconds=60)
ENDPOINTS = (Revocation, Introspection)


class OAuthServer:
    """RFC 6749 as RFC 9700 wants it: codes with PKCE, client credentials, rotated refresh tokens.

    Every method raises HeadraceError (DEPENDENCY_UNAVAILABLE) when a port does; those that clients
    call, also QUEUE_FULL.
    """

    def __init__(self, ports: OAuthPorts, bridge: Bridge, clock: Clock, *, issuer: str) -> None:
        """`issuer` is the `iss` of every token and of every answer through the browser."""
        self._ports = ports
        self._bridge = bridge
        self._clock = clock
        self._issuer = issuer
        self._authlib = AuthlibServer(ports, bridge, clock, grants=GRANTS, endpoints=ENDPOINTS)

    async def check_authorization(self, request: OAuthRequest) -> PendingAuthorization:
        """An authorization request that a person may be asked about; reads only the query.

        Raises HeadraceError (INVALID_FIELD) for the person, never to be redirected, and after that
        AuthorizationError for the client.
        """
        try:
            parameters = read_parameters(request.query)
        except OAuthError as refusal:
            raise invalid_field("query", refusal.description) from refusal
        client_id = parameters.values.get("client_id")
        found = await self._ports.clients.get(client_id) if client_id else None
        client, redirect_uri = authorization.check_redirect(parameters, found)
        try:
            return authorization.check_request(parameters, client, redirect_uri)
        except OAuthError as refusal:
            state = parameters.values.get("state")
            raise authorization.refused(refusal, redirect_uri, state, self._issuer) from refusal

    async def approve(
        self, pending: PendingAuthorization, *, user_id: str, organization_id: str
    ) -> str:
        """Where to send the browser with a fresh code.

        `pending` is what `check_authorization` returned, never something that a browser kept.
        Raises HeadraceError: INVALID_FIELD if the client has changed meanwhile, PERMISSION_DENIED
        unless the user is a member of the client's organisation; and AuthorizationError.
        """
        client = await self._ports.clients.get(pending.client_id)
        if client is None or not client.is_live:
            raise authorization.unknown_client()
        if not client.accepts_redirect_to(pending.redirect_uri):
            raise authorization.wrong_redirect_uri()
        member = await self._member(client, user_id, organization_id)
        scopes = granted_scopes(pending.scopes, client, member.role)
        if not scopes:
            raise self._refused(invalid_scope(), pending)
        code = new_secret(TokenPrefix.AUTHORIZATION_CODE)
        await self._ports.codes.put(self._record(code, pending, member, scopes))
        return authorization.success_location(pending, code.reveal(), self._issuer)

    def deny(self, pending: PendingAuthorization) -> AuthorizationError:
        """The person says no; `location` of what this returns is where to send the browser."""
        refusal = OAuthError(ErrorCode.ACCESS_DENIED, "the user said no")
        return self._refused(refusal, pending)

    async def token(self, request: OAuthRequest) -> OAuthResponse:
        """The token endpoint (RFC 6749, section 3.2)."""
        return await self._answer(request, self._token)

    async def revoke(self, request: OAuthRequest) -> OAuthResponse:
        """The revocation endpoint (RFC 7009)."""
        return await self._answer(request, self._endpoint(Revocation.ENDPOINT_NAME))

    async def introspect(self, request: OAuthRequest) -> OAuthResponse:
        """The introspection endpoint (RFC 7662)."""
        return await self._answer(request, self._endpoint(Introspection.ENDPOINT_NAME))

    def _record(
        self,
        code: Secret,
        pending: PendingAuthorization,
        member: Member,
        scopes: frozenset[Scope],
    ) -> AuthorizationCode:
        now = self._clock.now()
        return AuthorizationCode(
            code_sha256=code.sha256,
            client_id=pending.client_id,
            user_id=member.user_id,
            organization_id=member.organization_id,
            redirect_uri=pending.redirect_uri,
            scopes=scopes,
            code_challenge=pending.code_challenge,
            created_at=now,
            expires_at=now + CODE_LIFE,
            token_version=member.token_version,
            # Known before it begins, so that a replay can end it, whichever comes first.
            session_id=uuid7(now),
        )

    async def _member(self, client: OAuthClient, user_id: str, organization_id: str) -> Member:
        if organization_id != client.organization_id:
            raise permission_denied("this application belongs to another organization")
        member = await self._ports.members.member(user_id, organization_id)
        if member is None:
            raise permission_denied("only a member of the application's organization can allow it")
        return member

    def _refused(self, refusal: OAuthError, pending: PendingAuthorization) -> AuthorizationError:
        return authorization.refused(refusal, pending.redirect_uri, pending.state, self._issuer)

    def _token(self, request: AuthlibRequest) -> OAuthResponse:
        if "grant_type" not in request.form:
            raise invalid_request("grant_type is missing")
        if request.form["grant_type"] not in set(GrantType):
            raise unsupported_grant_type()
        response: OAuthResponse = self._authlib.create_token_response(request)
        return response

    def _endpoint(self, name: str) -> Callable[[AuthlibRequest], OAuthResponse]:
        return lambda request: self._authlib.create_endpoint_response(name, request)

    async def _answer(
        self, request: OAuthRequest, work: Callable[[AuthlibRequest], OAuthResponse]
    ) -> OAuthResponse:
        try:
            if request.query:
                # A secret in a URI ends in logs (RFC 6749, section 2.3.1).
                raise invalid_request("parameters belong into the body")
            checked = AuthlibRequest(request)
            return await self._bridge.run(lambda: work(checked))
        except OAuthError as refusal:
            return error_response(refusal)
