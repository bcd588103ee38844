"""ApiKeyService over gRPC: the credentials of programs."""

from typing import Any

from headrace.auth.v1 import api_keys_pb2, api_keys_pb2_grpc
from headrace_auth.domain.api_key_updates import check_overlap
from headrace_auth.servicers.api_key_messages import (
    api_key_message,
    api_key_request,
    api_key_update,
)
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.pages import page_asked_for
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.api_keys.signing_credentials import SigningCredentials
from headrace_common.clock import Clock
from headrace_common.grpc_server import Registration


class ApiKeyServicer(api_keys_pb2_grpc.ApiKeyServiceServicer):
    """The proto's ApiKeyService."""

    def __init__(
        self,
        *,
        callers: Callers,
        key_manager: KeyManager,
        key_changer: KeyChanger,
        signing_credentials: SigningCredentials,
        clock: Clock,
    ) -> None:
        self._callers = callers
        self._key_manager = key_manager
        self._key_changer = key_changer
        self._signing_credentials = signing_credentials
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

    async def CreateSigningCredential(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.CreateSigningCredentialRequest, context: Any
    ) -> api_keys_pb2.CreateSigningCredentialResponse:
        caller = await self._callers.identified(context)
        created = await self._signing_credentials.create(
            caller,
            api_key_request(request, self._clock.now()),
            algorithm=request.signature_algorithm,
            public_key=request.public_key,
        )
        return api_keys_pb2.CreateSigningCredentialResponse(
            api_key=api_key_message(created.view),
            secret=created.secret.reveal() if created.secret else None,
        )

    async def ListApiKeys(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.ListApiKeysRequest, context: Any
    ) -> api_keys_pb2.ListApiKeysResponse:
        caller = await self._callers.identified(context)
        page = await self._key_manager.page(caller, *page_asked_for(request))
        return api_keys_pb2.ListApiKeysResponse(
            api_keys=[api_key_message(view) for view in page.items],
            next_page_token=page.next_page_token,
        )

    async def GetApiKey(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.GetApiKeyRequest, context: Any
    ) -> api_keys_pb2.GetApiKeyResponse:
        caller = await self._callers.identified(context)
        found = await self._key_manager.get(caller, request.api_key_id)
        return api_keys_pb2.GetApiKeyResponse(api_key=api_key_message(found))

    async def UpdateApiKey(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.UpdateApiKeyRequest, context: Any
    ) -> api_keys_pb2.UpdateApiKeyResponse:
        caller = await self._callers.identified(context)
        update = api_key_update(request, self._clock.now())
        updated = await self._key_changer.update(caller, request.api_key_id, update)
        return api_keys_pb2.UpdateApiKeyResponse(api_key=api_key_message(updated))

    async def RotateApiKey(  # noqa: N802 - the proto's name
        self, request: api_keys_pb2.RotateApiKeyRequest, context: Any
    ) -> api_keys_pb2.RotateApiKeyResponse:
        caller = await self._callers.identified(context)
        seconds = request.overlap_seconds if request.HasField("overlap_seconds") else None
        rotated = await self._key_changer.rotate(caller, request.api_key_id, check_overlap(seconds))
        return api_keys_pb2.RotateApiKeyResponse(
            api_key=api_key_message(rotated.view), secret=rotated.text.reveal()
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
