"""How a client says who it is at the endpoints that it calls itself (RFC 6749, section 2.3)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote_plus

from headrace_auth.domain.oauth_clients import OAuthClient, has_client_secret
from headrace_auth.oauth.errors import invalid_client, invalid_request


class ClientAuthMethod(StrEnum):
    """The names of RFC 7591, section 2."""

    NONE = "none"
    POST = "client_secret_post"
    BASIC = "client_secret_basic"


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """Who a client says it is; the secret is empty for the method `none`."""

    client_id: str
    method: ClientAuthMethod
    secret: str = field(default="", repr=False)


def presented_client(parameters: Mapping[str, str], authorization: str) -> PresentedClient:
    """Reads the one method that the request uses.

    Raises OAuthError: INVALID_CLIENT without any, INVALID_REQUEST for two at once.
    """
    client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
    if authorization:
        presented = _basic(authorization)
        if secret is not None or client_id not in (None, presented.client_id):
            raise invalid_request("one way of client authentication at a time")
        return presented
    if client_id is None:
        raise invalid_client()
    if secret is None:
        return PresentedClient(client_id, ClientAuthMethod.NONE)
    return PresentedClient(client_id, ClientAuthMethod.POST, secret)


def authenticates(client: OAuthClient | None, presented: PresentedClient) -> bool:
    """Whether that is who it is; takes the same work whether or not there is such a client."""
    if presented.method is ClientAuthMethod.NONE:
        proven = client is not None and client.is_public
    else:
        proven = has_client_secret(client, presented.secret)
    return proven and client is not None and client.is_live


def _basic(authorization: str) -> PresentedClient:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise invalid_client()
    try:
        text = base64.b64decode(encoded.strip(" "), validate=True).decode()
        client_id, separator, secret = text.partition(":")
        # Both parts are form-encoded first (RFC 6749, section 2.3.1).
        decoded = [unquote_plus(part, errors="strict") for part in (client_id, secret)]
    except (binascii.Error, ValueError) as error:
        raise invalid_client() from error
    if not separator or not all(part and part.isascii() and part.isprintable() for part in decoded):
        raise invalid_client()
    return PresentedClient(decoded[0], ClientAuthMethod.BASIC, decoded[1])
