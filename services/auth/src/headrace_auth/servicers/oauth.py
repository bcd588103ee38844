"""OAuthService over gRPC: the authorization server as browsers and applications reach it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from headrace.auth.v1 import auth_pb2, oauth_pb2, oauth_pb2_grpc
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.oauth.errors import AuthorizationError, OAuthError
from headrace_auth.oauth.messages import OAuthRequest, OAuthResponse, error_response, parse_pairs
from headrace_auth.oauth.metadata import server_metadata
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.messages import principal_message
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.oauth.client_authorizations import ClientAuthorizations, Question
from headrace_common.errors import HeadraceError
from headrace_common.grpc_server import Registration

Endpoint = Callable[[OAuthServer, OAuthRequest], Awaitable[OAuthResponse]]


class OAuthServicer(oauth_pb2_grpc.OAuthServiceServicer):
    """The proto's OAuthService."""

    def __init__(
        self,
        *,
        callers: Callers,
        authorizations: ClientAuthorizations,
        server_for: Callable[[Caller], OAuthServer],
        resolver: CredentialResolver,
        metrics: AuthMetrics,
        issuer: str,
    ) -> None:
        self._callers = callers
        self._authorizations = authorizations
        self._server_for = server_for
        self._resolver = resolver
        self._metrics = metrics
        self._metadata_json = json.dumps(server_metadata(issuer))

    async def GetServerMetadata(  # noqa: N802 - the proto's name
        self, _request: oauth_pb2.GetServerMetadataRequest, _context: Any
    ) -> oauth_pb2.GetServerMetadataResponse:
        return oauth_pb2.GetServerMetadataResponse(metadata_json=self._metadata_json)

    async def CheckAuthorization(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.CheckAuthorizationRequest, context: Any
    ) -> oauth_pb2.CheckAuthorizationResponse:
        try:
            query = OAuthRequest(query=parse_pairs(request.query))
            question = await self._authorizations.ask(self._callers.anybody(context), query)
        except OAuthError as refusal:
            raise invalid_field("query", refusal.description) from refusal
        except AuthorizationError as refusal:
            return oauth_pb2.CheckAuthorizationResponse(location=refusal.location)
        return oauth_pb2.CheckAuthorizationResponse(authorization=_authorization_message(question))

    async def GetAuthorization(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.GetAuthorizationRequest, context: Any
    ) -> oauth_pb2.GetAuthorizationResponse:
        caller = self._callers.anybody(context)
        question = await self._authorizations.look_up(caller, request.authorization_id)
        return oauth_pb2.GetAuthorizationResponse(authorization=_authorization_message(question))

    async def AllowClient(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.AllowClientRequest, context: Any
    ) -> oauth_pb2.AllowClientResponse:
        with counting(self._metrics.logins):
            allowed = await self._authorizations.allow(
                self._callers.anybody(context),
                request.authorization_id,
                email=request.email,
                password=request.password,
                code=request.code,
            )
        return oauth_pb2.AllowClientResponse(
            location=allowed.location,
            principal=auth_pb2.Principal(
                user_id=allowed.user_id, organization_id=allowed.organization_id
            ),
            client_id=allowed.client_id,
        )

    async def DenyClient(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.DenyClientRequest, context: Any
    ) -> oauth_pb2.DenyClientResponse:
        caller = self._callers.anybody(context)
        denied = await self._authorizations.deny(caller, request.authorization_id)
        return oauth_pb2.DenyClientResponse(location=denied.location, client_id=denied.client_id)

    async def IssueToken(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.IssueTokenRequest, context: Any
    ) -> oauth_pb2.IssueTokenResponse:
        answer = await self._answer(request.form, context, OAuthServer.token)
        return oauth_pb2.IssueTokenResponse(
            answer=_answer_message(answer), principal=await self._holder(answer)
        )

    async def RevokeToken(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.RevokeTokenRequest, context: Any
    ) -> oauth_pb2.RevokeTokenResponse:
        answer = await self._answer(request.form, context, OAuthServer.revoke)
        return oauth_pb2.RevokeTokenResponse(answer=_answer_message(answer))

    async def IntrospectToken(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.IntrospectTokenRequest, context: Any
    ) -> oauth_pb2.IntrospectTokenResponse:
        answer = await self._answer(request.form, context, OAuthServer.introspect)
        return oauth_pb2.IntrospectTokenResponse(answer=_answer_message(answer))

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.OAuthService",
            oauth_pb2_grpc.add_OAuthServiceServicer_to_server,
            self,
        )

    async def _answer(
        self, form: oauth_pb2.OAuthForm, context: Any, endpoint: Endpoint
    ) -> OAuthResponse:
        try:
            request = OAuthRequest(
                query=parse_pairs(form.query),
                form=parse_pairs(form.body),
                authorization=form.authorization,
            )
        except OAuthError as refusal:
            return error_response(refusal)
        return await endpoint(self._server_for(self._callers.anybody(context)), request)

    async def _holder(self, answer: OAuthResponse) -> auth_pb2.Principal | None:
        """Whom the token that was issued stands for, so that the audit can say so."""
        token = answer.body.get("access_token")
        if not token:
            return None
        try:
            return principal_message(await self._resolver.resolve(token))
        except HeadraceError:
            # It is issued all the same, and may have been born dead.
            return None


def _authorization_message(question: Question) -> oauth_pb2.Authorization:
    return oauth_pb2.Authorization(
        authorization_id=question.authorization_id,
        client_name=question.pending.client_name,
        organization_name=question.organization_name,
        scopes=sorted(question.pending.scopes),
        redirect_uri=question.pending.redirect_uri,
        client_id=question.pending.client_id,
    )


def _answer_message(answer: OAuthResponse) -> oauth_pb2.OAuthAnswer:
    return oauth_pb2.OAuthAnswer(
        status=answer.status, headers=answer.headers, body_json=json.dumps(answer.body)
    )
