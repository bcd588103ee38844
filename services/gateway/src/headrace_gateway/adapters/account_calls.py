"""The account side of `auth`: every call of its services, by name."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from headrace.auth.v1 import (
    accounts_pb2,
    api_keys_pb2,
    auth_pb2,
    directory_pb2,
    federation_pb2,
    limits_pb2,
    oauth_pb2,
    platform_pb2,
    sessions_pb2,
)
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_gateway.adapters.messages import fill, plain
from headrace_gateway.adapters.principals import to_principal
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.ports import AccountAnswer

PROTOS = (
    accounts_pb2,
    api_keys_pb2,
    directory_pb2,
    federation_pb2,
    limits_pb2,
    oauth_pb2,
    platform_pb2,
    sessions_pb2,
)
ASKING_PROVIDERS = frozenset({"StartFederatedLogin", "CompleteFederatedLogin", "LinkIdentity"})
"""Calls for which `auth` asks somebody else in turn."""
MAXIMUM_CREDENTIAL = 4096
"""Characters, as `auth` bounds it."""


class GrpcAccounts:
    """Accounts over gRPC; every call has a deadline in seconds."""

    def __init__(
        self, channel: grpc.aio.Channel, *, seconds: float, provider_seconds: float | None = None
    ) -> None:
        """`provider_seconds` is for the calls for which `auth` asks an identity provider."""
        patient = provider_seconds or seconds
        self._calls = {
            f"{service.name}/{method.name}": _Call(
                channel, method, patient if method.name in ASKING_PROVIDERS else seconds
            )
            for proto in PROTOS
            for service in proto.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }

    async def call(self, name: str, fields: Mapping[str, Any], exchange: Exchange) -> AccountAnswer:
        with translate_rpc_errors("auth"):
            answer = await self._calls[name].make(fields, _metadata(exchange))
        values, found = plain(answer), getattr(answer, "principal", None)
        if not isinstance(found, auth_pb2.Principal):
            return AccountAnswer(values)
        named = values.pop("principal") is not None
        return AccountAnswer(values, to_principal(found) if named else None)


class _Call:
    """One method of a service."""

    def __init__(self, channel: grpc.aio.Channel, method: MethodDescriptor, seconds: float) -> None:
        self._seconds = seconds
        self._request = GetMessageClass(method.input_type)
        self._make = channel.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=self._request.SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )

    async def make(self, fields: Mapping[str, Any], metadata: list[tuple[str, str]]) -> Message:
        request = self._request()
        fill(request, fields)
        answer: Message = await self._make(request, metadata=metadata, timeout=self._seconds)
        return answer


def _metadata(exchange: Exchange) -> list[tuple[str, str]]:
    metadata = [
        ("x-request-id", exchange.request_id),
        ("x-source-address", exchange.source_address),
        ("x-user-agent", _printable(exchange.user_agent)),
    ]
    credential = exchange.credential
    # Where nobody is identified, a stranger may send anything as one; it could not be one.
    if 0 < len(credential) <= MAXIMUM_CREDENTIAL and credential == _printable(credential):
        metadata.append(("authorization", f"Bearer {credential}"))
    return metadata


def _printable(text: str) -> str:
    """What gRPC takes as metadata: ASCII without control characters."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
