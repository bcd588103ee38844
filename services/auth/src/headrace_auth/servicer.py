"""AuthService over gRPC: converts, makes one call, converts."""

import json
from typing import Any

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_auth.conversions import (
    api_key_message,
    api_key_request,
    bearer_credential,
    bounded_credential,
    principal_message,
)
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.paging import page_size, position_of_token
from headrace_auth.domain.principal import Principal
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.use_cases.login import Login
from headrace_auth.use_cases.manage_keys import KeyManager
from headrace_auth.use_cases.resolve import CredentialResolver
from headrace_common.clock import Clock
from headrace_common.grpc_server import Registration


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """The proto's AuthService."""

    def __init__(
        self,
        *,
        resolver: CredentialResolver,
        login: Login,
        key_manager: KeyManager,
        tokens: AccessTokens,
        metrics: AuthMetrics,
        clock: Clock,
    ) -> None:
        self._resolver = resolver
        self._login = login
        self._key_manager = key_manager
        self._tokens = tokens
        self._metrics = metrics
        self._clock = clock

    async def ResolveCredential(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ResolveCredentialRequest, _context: Any
    ) -> auth_pb2.ResolveCredentialResponse:
        with counting(self._metrics.resolutions):
            credential = bounded_credential(request.credential)
            principal = await self._resolver.resolve(credential)
        return auth_pb2.ResolveCredentialResponse(principal=principal_message(principal))

    async def GetJsonWebKeySet(  # noqa: N802 - the proto's name
        self, _request: auth_pb2.GetJsonWebKeySetRequest, _context: Any
    ) -> auth_pb2.GetJsonWebKeySetResponse:
        return auth_pb2.GetJsonWebKeySetResponse(
            keys=[
                auth_pb2.JsonWebKey(kid=key["kid"], jwk_json=json.dumps(key))
                for key in self._tokens.public_jwks
            ],
            issuer=self._tokens.audience.issuer,
            audience=self._tokens.audience.audience,
        )

    async def Login(  # noqa: N802 - the proto's name
        self, request: auth_pb2.LoginRequest, _context: Any
    ) -> auth_pb2.LoginResponse:
        with counting(self._metrics.logins):
            result = await self._login.log_in(request.email, request.password)
        return auth_pb2.LoginResponse(
            access_token=result.access_token,
            expires_in_seconds=result.expires_in_seconds,
            principal=principal_message(result.principal),
        )

    async def CreateApiKey(  # noqa: N802 - the proto's name
        self, request: auth_pb2.CreateApiKeyRequest, context: Any
    ) -> auth_pb2.CreateApiKeyResponse:
        principal = await self._caller(context)
        wanted = api_key_request(request, self._clock.now())
        created = await self._key_manager.create(principal, wanted)
        return auth_pb2.CreateApiKeyResponse(
            api_key=api_key_message(created.key), secret=created.text.reveal()
        )

    async def ListApiKeys(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ListApiKeysRequest, context: Any
    ) -> auth_pb2.ListApiKeysResponse:
        principal = await self._caller(context)
        after, size = position_of_token(request.page_token), page_size(request.page_size)
        page = await self._key_manager.page(principal, after, size)
        return auth_pb2.ListApiKeysResponse(
            api_keys=[api_key_message(key) for key in page.keys],
            next_page_token=page.next_position.to_token() if page.next_position else "",
        )

    async def RevokeApiKey(  # noqa: N802 - the proto's name
        self, request: auth_pb2.RevokeApiKeyRequest, context: Any
    ) -> auth_pb2.RevokeApiKeyResponse:
        principal = await self._caller(context)
        revoked = await self._key_manager.revoke(principal, request.api_key_id)
        return auth_pb2.RevokeApiKeyResponse(api_key=api_key_message(revoked))

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.AuthService",
            auth_pb2_grpc.add_AuthServiceServicer_to_server,
            self,
            polled=("GetJsonWebKeySet",),
        )

    async def _caller(self, context: Any) -> Principal:
        with counting(self._metrics.resolutions):
            credential = bearer_credential(context.invocation_metadata() or ())
            return await self._resolver.resolve(credential)
