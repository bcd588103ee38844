"""Authlib's authorization server over our ports; synchronous, so it runs on the bridge."""

from collections.abc import Collection, Coroutine, Iterable
from typing import Any, TypeVar

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.client_authentication import authenticates, presented_client
from headrace_auth.oauth.errors import invalid_client
from headrace_auth.oauth.messages import OAuthRequest, OAuthResponse, read_parameters
from headrace_auth.oauth.ports import OAuthPorts
from headrace_common.clock import Clock

T = TypeVar("T")


class AuthlibRequest(OAuth2Request):
    """A form that was posted, its parameters checked; raises OAuthError (INVALID_REQUEST)."""

    def __init__(self, request: OAuthRequest) -> None:
        # TLS ends before us; Authlib only insists on seeing it, and looks at nothing else in here.
        super().__init__("POST", "https://localhost")
        self.authorization = request.authorization
        self.payload = BasicOAuth2Payload(dict(read_parameters(request.form).check()))

    @property
    def form(self) -> dict[str, str]:
        data: dict[str, str] = self.payload.data
        return data


class AuthlibClient(ClientMixin):
    """Our client as Authlib's grants look at it."""

    def __init__(self, client: OAuthClient) -> None:
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


class AuthlibServer(AuthorizationServer):
    """Authenticates clients our way; what it does is in the grants and endpoints it is given."""

    def __init__(
        self,
        ports: OAuthPorts,
        bridge: Bridge,
        clock: Clock,
        *,
        grants: Iterable[tuple[type, Collection[Any]]],
        endpoints: Iterable[type],
    ) -> None:
        super().__init__()
        self.ports = ports
        self.clock = clock
        self._bridge = bridge
        for grant, extensions in grants:
            self.register_grant(grant, extensions)
        for endpoint in endpoints:
            self.register_endpoint(endpoint)

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """What a port answers."""
        return self._bridge.wait(call)

    def authenticate_client(
        self, request: AuthlibRequest, methods: Collection[str], _endpoint: str = "token"
    ) -> AuthlibClient:
        """Instead of Authlib's, which tells unknown clients from wrong secrets (400, 401)."""
        presented = presented_client(request.form, request.authorization)
        client = self.wait(self.ports.clients.get(presented.client_id))
        proven = authenticates(client, presented)
        if client is None or not proven or presented.method not in methods:
            raise invalid_client()
        request.auth_method = presented.method.value
        return AuthlibClient(client)

    def create_oauth2_request(self, request: AuthlibRequest) -> AuthlibRequest:
        return request

    def handle_response(
        self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]
    ) -> OAuthResponse:
        return OAuthResponse(status, dict(headers), body)

    def validate_requested_scope(self, scope: str | None) -> None:
        """Left to `parse_scope`, which the grants call."""

    def save_token(self, _token: dict[str, Any], _request: AuthlibRequest) -> None:
        """Nothing: issuing a token saves it, in one step."""

    def send_signal(self, _name: str, *_args: object, **_kwargs: object) -> None:
        """Nothing listens."""
