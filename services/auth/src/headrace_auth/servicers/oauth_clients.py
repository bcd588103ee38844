"""OAuthClientService over gRPC: the third-party applications of an organisation."""

from typing import Any

from headrace.auth.v1 import oauth_pb2, oauth_pb2_grpc
from headrace_auth.domain.fields import check_scopes
from headrace_auth.domain.oauth_clients import ClientRequest, OAuthClient, grant_types_of
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.messages import timestamp
from headrace_auth.servicers.pages import page_asked_for
from headrace_auth.use_cases.oauth.manage_clients import ClientManager
from headrace_common.grpc_server import Registration


class OAuthClientServicer(oauth_pb2_grpc.OAuthClientServiceServicer):
    """The proto's OAuthClientService."""

    def __init__(self, *, callers: Callers, clients: ClientManager) -> None:
        self._callers = callers
        self._clients = clients

    async def CreateClient(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.CreateClientRequest, context: Any
    ) -> oauth_pb2.CreateClientResponse:
        caller = await self._callers.identified(context)
        created = await self._clients.create(caller, _client_request(request))
        client = _client_message(created.client)
        return oauth_pb2.CreateClientResponse(client=client, secret=created.secret)

    async def ListClients(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.ListClientsRequest, context: Any
    ) -> oauth_pb2.ListClientsResponse:
        caller = await self._callers.identified(context)
        page = await self._clients.page(caller, *page_asked_for(request))
        return oauth_pb2.ListClientsResponse(
            clients=[_client_message(client) for client in page.items],
            next_page_token=page.next_page_token,
        )

    async def RotateClientSecret(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.RotateClientSecretRequest, context: Any
    ) -> oauth_pb2.RotateClientSecretResponse:
        caller = await self._callers.identified(context)
        rotated = await self._clients.rotate_secret(caller, request.client_id)
        client = _client_message(rotated.client)
        return oauth_pb2.RotateClientSecretResponse(client=client, secret=rotated.secret)

    async def RevokeClient(  # noqa: N802 - the proto's name
        self, request: oauth_pb2.RevokeClientRequest, context: Any
    ) -> oauth_pb2.RevokeClientResponse:
        caller = await self._callers.identified(context)
        revoked = await self._clients.revoke(caller, request.client_id)
        return oauth_pb2.RevokeClientResponse(client=_client_message(revoked))

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.OAuthClientService",
            oauth_pb2_grpc.add_OAuthClientServiceServicer_to_server,
            self,
        )


def _client_request(message: oauth_pb2.CreateClientRequest) -> ClientRequest:
    """Raises INVALID_FIELD."""
    return ClientRequest(
        name=message.name,
        redirect_uris=tuple(message.redirect_uris),
        grant_types=grant_types_of(message.grant_types),
        scopes=check_scopes(message.scopes),
        public=message.public,
        service_user_id=message.service_user_id or None,
    )


def _client_message(client: OAuthClient) -> oauth_pb2.OAuthClient:
    return oauth_pb2.OAuthClient(
        client_id=client.client_id,
        name=client.name,
        redirect_uris=client.redirect_uris,
        grant_types=sorted(client.grant_types),
        scopes=sorted(client.scopes),
        public=client.is_public,
        service_user_id=client.service_user_id or "",
        created_by=client.created_by,
        created_at=timestamp(client.created_at),
        revoked_at=timestamp(client.revoked_at),
    )
