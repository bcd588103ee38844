"""The `auth` service as the gateway sees it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import grpc

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.ports import ApiKey, NewApiKey, Session

KINDS = {
    auth_pb2.LIMIT_KIND_REQUESTS_PER_MINUTE: LimitKind.REQUESTS_PER_MINUTE,
    auth_pb2.LIMIT_KIND_TOKENS_PER_MINUTE: LimitKind.TOKENS_PER_MINUTE,
}


class AuthClient:
    """CredentialResolver and Accounts over gRPC; deadlines in seconds."""

    def __init__(
        self, channel: grpc.aio.Channel, *, resolve_seconds: float, account_seconds: float
    ) -> None:
        self._stub = auth_pb2_grpc.AuthServiceStub(channel)
        self._resolve_seconds = resolve_seconds
        self._account_seconds = account_seconds

    async def resolve(self, credential: str) -> Principal:
        request = auth_pb2.ResolveCredentialRequest(credential=credential)
        with translate_rpc_errors("auth"):
            response = await self._stub.ResolveCredential(request, timeout=self._resolve_seconds)
        return _principal(response.principal)

    async def key_set(self) -> auth_pb2.GetJsonWebKeySetResponse:
        """Public keys, issuer and audience of access tokens."""
        request = auth_pb2.GetJsonWebKeySetRequest()
        with translate_rpc_errors("auth"):
            response: auth_pb2.GetJsonWebKeySetResponse = await self._stub.GetJsonWebKeySet(
                request, timeout=self._resolve_seconds
            )
        return response

    async def login(self, email: str, password: str) -> Session:
        request = auth_pb2.LoginRequest(email=email, password=password)
        with translate_rpc_errors("auth"):
            response = await self._stub.Login(request, timeout=self._account_seconds)
        return Session(
            response.access_token, response.expires_in_seconds, _principal(response.principal)
        )

    async def create_key(self, credential: str, wanted: NewApiKey) -> tuple[ApiKey, str]:
        request = auth_pb2.CreateApiKeyRequest(
            name=wanted.name,
            scopes=wanted.scopes,
            allowed_models=wanted.allowed_models,
            expires_at=wanted.expires_at,
            requests_per_minute=wanted.requests_per_minute,
            tokens_per_minute=wanted.tokens_per_minute,
        )
        with translate_rpc_errors("auth"):
            response = await self._stub.CreateApiKey(request, **self._acting_as(credential))
        return _api_key(response.api_key), response.secret

    async def list_keys(
        self, credential: str, page_size: int, page_token: str
    ) -> tuple[Sequence[ApiKey], str]:
        request = auth_pb2.ListApiKeysRequest(page_size=page_size, page_token=page_token)
        with translate_rpc_errors("auth"):
            response = await self._stub.ListApiKeys(request, **self._acting_as(credential))
        return [_api_key(key) for key in response.api_keys], response.next_page_token

    async def revoke_key(self, credential: str, key_id: str) -> ApiKey:
        request = auth_pb2.RevokeApiKeyRequest(api_key_id=key_id)
        with translate_rpc_errors("auth"):
            response = await self._stub.RevokeApiKey(request, **self._acting_as(credential))
        return _api_key(response.api_key)

    def _acting_as(self, credential: str) -> dict[str, object]:
        return {
            "timeout": self._account_seconds,
            "metadata": (("authorization", f"Bearer {credential}"),),
        }


def _principal(message: auth_pb2.Principal) -> Principal:
    limits = tuple(
        Limit(KINDS[limit.kind], _subject(limit), limit.amount, limit.model or None)
        for limit in message.limits
        if limit.kind in KINDS
    )
    return Principal(
        credential_id=message.credential_id,
        user_id=message.user_id,
        organization_id=message.organization_id,
        scopes=frozenset(message.scopes),
        allowed_models=frozenset(message.allowed_models),
        limits=limits,
        expires_at=_time(message, "expires_at"),
    )


def _subject(limit: auth_pb2.Limit) -> str:
    name = auth_pb2.LimitSubject.Name(limit.subject).removeprefix("LIMIT_SUBJECT_").lower()
    return f"{name}:{limit.subject_id}"


def _api_key(message: auth_pb2.ApiKey) -> ApiKey:
    return ApiKey(
        id=message.api_key_id,
        name=message.name,
        scopes=tuple(message.scopes),
        allowed_models=tuple(message.allowed_models),
        created_by=message.created_by,
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        expires_at=_time(message, "expires_at"),
        revoked_at=_time(message, "revoked_at"),
        requests_per_minute=_optional(message, "requests_per_minute"),
        tokens_per_minute=_optional(message, "tokens_per_minute"),
    )


def _time(message: auth_pb2.Principal | auth_pb2.ApiKey, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    moment: datetime = getattr(message, name).ToDatetime(tzinfo=UTC)
    return moment


def _optional(message: auth_pb2.ApiKey, name: str) -> int | None:
    return int(getattr(message, name)) if message.HasField(name) else None
