"""AuthService over gRPC: what gateways ask on every request."""

import json
from datetime import timedelta
from typing import Any

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.announcements import revocation_of_token, revocations_page_size
from headrace_auth.metrics import AuthMetrics, counting
from headrace_auth.ports import Announcements
from headrace_auth.servicers.messages import (
    bounded_credential,
    key_uses,
    optional_time,
    principal_message,
    signed_request,
    timestamp,
)
from headrace_auth.servicers.price_messages import PriceMessages
from headrace_auth.use_cases.api_keys.count_uses import UseCounter
from headrace_auth.use_cases.credentials.allowances import Allowances
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.credentials.resolve_signed import SignedRequestResolver
from headrace_common.clock import Clock
from headrace_common.grpc_server import Registration

EARLIEST_REVOCATIONS = timedelta(hours=1)
"""Longer than any gateway keeps a principal."""


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """The proto's AuthService."""

    def __init__(
        self,
        *,
        resolver: CredentialResolver,
        signed_resolver: SignedRequestResolver,
        allowances: Allowances,
        use_counter: UseCounter,
        announcements: Announcements,
        tokens: AccessTokens,
        metrics: AuthMetrics,
        clock: Clock,
    ) -> None:
        self._resolver = resolver
        self._signed_resolver = signed_resolver
        self._allowances = allowances
        self._prices = PriceMessages()
        self._use_counter = use_counter
        self._announcements = announcements
        self._tokens = tokens
        self._metrics = metrics
        self._clock = clock

    async def ResolveCredential(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ResolveCredentialRequest, _context: Any
    ) -> auth_pb2.ResolveCredentialResponse:
        with counting(self._metrics.resolutions):
            credential = bounded_credential(request.credential)
            principal = await self._resolver.resolve(credential)
            principal = await self._allowances.complete(principal)
        response = auth_pb2.ResolveCredentialResponse(principal=principal_message(principal))
        self._prices.add_to(response.principal, principal)
        return response

    async def ResolveSignedRequest(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ResolveSignedRequestRequest, _context: Any
    ) -> auth_pb2.ResolveSignedRequestResponse:
        with counting(self._metrics.resolutions):
            principal = await self._signed_resolver.resolve(signed_request(request))
            principal = await self._allowances.complete(principal)
        response = auth_pb2.ResolveSignedRequestResponse(principal=principal_message(principal))
        self._prices.add_to(response.principal, principal)
        return response

    async def ReportKeyUses(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ReportKeyUsesRequest, _context: Any
    ) -> auth_pb2.ReportKeyUsesResponse:
        await self._use_counter.add(request.batch_id, key_uses(request))
        return auth_pb2.ReportKeyUsesResponse()

    async def GetJsonWebKeySet(  # noqa: N802 - the proto's name
        self, _request: auth_pb2.GetJsonWebKeySetRequest, _context: Any
    ) -> auth_pb2.GetJsonWebKeySetResponse:
        return auth_pb2.GetJsonWebKeySetResponse(
            keys=[
                auth_pb2.JsonWebKey(kid=key["kid"], jwk_json=json.dumps(key))
                for key in self._tokens.public_jwks(self._clock.now())
            ],
            issuer=self._tokens.audience.issuer,
            audience=self._tokens.audience.audience,
        )

    async def ListRevocations(  # noqa: N802 - the proto's name
        self, request: auth_pb2.ListRevocationsRequest, _context: Any
    ) -> auth_pb2.ListRevocationsResponse:
        earliest = self._clock.now() - EARLIEST_REVOCATIONS
        since = optional_time(request, "since") or earliest
        size = revocations_page_size(request.page_size)
        found, now = await self._announcements.revocations_since(
            max(since, earliest), revocation_of_token(request.page_token), size + 1
        )
        revocations = found[:size]
        return auth_pb2.ListRevocationsResponse(
            revocations=[
                auth_pb2.Revocation(
                    organization_id=each.organization_id, revocation_id=each.revocation_id
                )
                for each in revocations
            ],
            now=timestamp(now),
            next_page_token=revocations[-1].to_token() if len(found) > size else "",
        )

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.AuthService",
            auth_pb2_grpc.add_AuthServiceServicer_to_server,
            self,
            polled=("GetJsonWebKeySet", "ListRevocations", "ResolveCredential", "ReportKeyUses"),
        )
