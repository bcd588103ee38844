"""The `auth` service as the gateway sees it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network

import grpc

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_gateway.domain.key_uses import UseBatch
from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.domain.signed_request import SignedRequest

REVOCATIONS_SECONDS = 1.0
REPORT_SECONDS = 5.0

KINDS = {
    auth_pb2.LIMIT_KIND_REQUESTS_PER_MINUTE: LimitKind.REQUESTS_PER_MINUTE,
    auth_pb2.LIMIT_KIND_TOKENS_PER_MINUTE: LimitKind.TOKENS_PER_MINUTE,
}


class AuthClient:
    """CredentialResolver, Revocations and UseReports over gRPC; the deadline in seconds."""

    def __init__(self, channel: grpc.aio.Channel, *, resolve_seconds: float) -> None:
        self._stub = auth_pb2_grpc.AuthServiceStub(channel)
        self._resolve_seconds = resolve_seconds

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

    async def since(self, moment: datetime) -> tuple[Sequence[tuple[str, str]], datetime]:
        request = auth_pb2.ListRevocationsRequest()
        request.since.FromDatetime(moment)
        with translate_rpc_errors("auth"):
            response = await self._stub.ListRevocations(request, timeout=REVOCATIONS_SECONDS)
        found = [(each.organization_id, each.revocation_id) for each in response.revocations]
        return found, response.now.ToDatetime(tzinfo=UTC)


def to_principal(message: auth_pb2.Principal) -> Principal:
    """Who the message says it is; limits of kinds that admission does not count are left out."""
    limits = tuple(
        Limit(KINDS[limit.kind], _subject(limit), limit.amount, limit.model or None)
        for limit in message.limits
        if limit.kind in KINDS
    )
    expires_at = None
    if message.HasField("expires_at"):
        expires_at = message.expires_at.ToDatetime(tzinfo=UTC)
    return Principal(
        credential_id=message.credential_id,
        user_id=message.user_id,
        organization_id=message.organization_id,
        scopes=frozenset(message.scopes),
        allowed_models=frozenset(message.allowed_models),
        limits=limits,
        expires_at=expires_at,
        revocation_ids=tuple(message.revocation_ids),
        allowed_networks=tuple(ip_network(each) for each in message.allowed_networks),
    )


def _subject(limit: auth_pb2.Limit) -> str:
    name = auth_pb2.LimitSubject.Name(limit.subject).removeprefix("LIMIT_SUBJECT_").lower()
    return f"{name}:{limit.subject_id}"
