"""The `auth` service as the gateway sees it."""

from datetime import UTC, datetime

import grpc

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_gateway.adapters.principals import to_principal
from headrace_gateway.domain.key_uses import UseBatch
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.ports import EndedPage

REVOCATIONS_SECONDS = 1.0
REPORT_SECONDS = 5.0


class AuthClient:
    """CredentialResolver, Revocations and UseReports over gRPC; the deadline in seconds."""

    def __init__(
        self, channel: grpc.aio.Channel, *, resolve_seconds: float, page_size: int = 0
    ) -> None:
        """`page_size` bounds a page of revocations; 0: as many as `auth` gives."""
        self._stub = auth_pb2_grpc.AuthServiceStub(channel)
        self._resolve_seconds = resolve_seconds
        self._page_size = page_size

    async def resolve(self, credential: str) -> Principal:
        request = auth_pb2.ResolveCredentialRequest(credential=credential)
        with translate_rpc_errors("auth"):
            response = await self._stub.ResolveCredential(request, timeout=self._resolve_seconds)
        return to_principal(response.principal)

    async def resolve_signed(self, signed: SignedRequest) -> Principal:
        request = auth_pb2.ResolveSignedRequestRequest(
            key_id=signed.key_id,
            algorithm=signed.algorithm,
            signature_base=signed.signature_base,
            signature=signed.signature,
            created=signed.created,
            nonce=signed.nonce,
        )
        with translate_rpc_errors("auth"):
            response = await self._stub.ResolveSignedRequest(request, timeout=self._resolve_seconds)
        return to_principal(response.principal)

    async def report(self, batch: UseBatch) -> None:
        request = auth_pb2.ReportKeyUsesRequest(batch_id=batch.batch_id)
        for use in batch.uses:
            request.uses.add(
                api_key_id=use.api_key_id, count=use.count, last_used_at=use.last_used_at
            )
        with translate_rpc_errors("auth"):
            await self._stub.ReportKeyUses(request, timeout=REPORT_SECONDS)

    async def key_set(self) -> auth_pb2.GetJsonWebKeySetResponse:
        """Public keys, issuer and audience of access tokens."""
        request = auth_pb2.GetJsonWebKeySetRequest()
        with translate_rpc_errors("auth"):
            response: auth_pb2.GetJsonWebKeySetResponse = await self._stub.GetJsonWebKeySet(
                request, timeout=self._resolve_seconds
            )
        return response

    async def since(self, moment: datetime, page: str = "") -> EndedPage:
        request = auth_pb2.ListRevocationsRequest(page_size=self._page_size, page_token=page)
        request.since.FromDatetime(moment)
        with translate_rpc_errors("auth"):
            response = await self._stub.ListRevocations(request, timeout=REVOCATIONS_SECONDS)
        found = [(each.organization_id, each.revocation_id) for each in response.revocations]
        return EndedPage(found, response.now.ToDatetime(tzinfo=UTC), response.next_page_token)
