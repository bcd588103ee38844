"""ApiKeyService over gRPC: the credentials of programs."""

from typing import Any

from headrace.auth.v1 import api_keys_pb2, api_keys_pb2_grpc
from headrace_auth.conversions import api_key_message, api_key_request
from headrace_auth.domain.paging import page_size, position_of_token
from headrace_auth.servicers.callers import Callers
from headrace_auth.use_cases.manage_keys import KeyManager
from headrace_common.clock import Clock
from headrace_common.grpc_server import Registration


class ApiKeyServicer(api_keys_pb2_grpc.ApiKeyServiceServicer):
    """The proto's ApiKeyService."""

    def __init__(self, *, callers: Callers, key_manager: KeyManager, clock: Clock) -> None:
        self._callers = callers
        self._key_manager = key_manager
        self._clock = clock

    async def CreateApiKey(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.CreateApiKeyRequest, context: Any
    ) -> api_keys_pb2.CreateApiKeyResponse:
        caller = await self._callers.identified(context)
        wanted = api_key_request(request, self._clock.now())
        created = await self._key_manager.create(caller, wanted)
        return api_keys_pb2.CreateApiKeyResponse(
            api_key=api_key_message(created.view), secret=created.text.reveal()
        )

    async def ListApiKeys(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.ListApiKeysRequest, context: Any
    ) -> api_keys_pb2.ListApiKeysResponse:
        caller = await self._callers.identified(context)
        after, size = position_of_token(request.page_token), page_size(request.page_size)
        page = await self._key_manager.page(caller, after, size)
        return api_keys_pb2.ListApiKeysResponse(
            api_keys=[api_key_message(view) for view in page.keys],
            next_page_token=page.next_position.to_token() if page.next_position else "",
        )

    async def RevokeApiKey(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.RevokeApiKeyRequest, context: Any
    ) -> api_keys_pb2.RevokeApiKeyResponse:
        caller = await self._callers.identified(context)
        revoked = await self._key_manager.revoke(caller, request.api_key_id)
        return api_keys_pb2.RevokeApiKeyResponse(api_key=api_key_message(revoked))

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.ApiKeyService",
            api_keys_pb2_grpc.add_ApiKeyServiceServicer_to_server,
            self,
        )
