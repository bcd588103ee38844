"""The document by which clients discover this server (RFC 8414, section 2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headrace_auth.domain.oauth_clients import GrantType
from headrace_auth.domain.principal import Scope
from headrace_auth.oauth.client_authentication import ClientAuthMethod

CONFIDENTIAL_METHODS = (ClientAuthMethod.BASIC, ClientAuthMethod.POST)
ALL_METHODS = (*CONFIDENTIAL_METHODS, ClientAuthMethod.NONE)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Paths below the issuer, each beginning with a slash."""

    authorization: str = "/oauth2/authorize"
    token: str = "/oauth2/token"  # noqa: S105 - not a password
    revocation: str = "/oauth2/revoke"
    introspection: str = "/oauth2/introspect"
    jwks: str = "/.well-known/jwks.json"


def server_metadata(
    issuer: str, *, scopes: Iterable[Scope] = Scope, endpoints: Endpoints | None = None
) -> dict[str, Any]:
    """The document; `issuer` is the `iss` of every token, https and without a slash at the end."""
    paths = endpoints or Endpoints()
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + paths.authorization,
        "token_endpoint": issuer + paths.token,
        "jwks_uri": issuer + paths.jwks,
        "revocation_endpoint": issuer + paths.revocation,
        "introspection_endpoint": issuer + paths.introspection,
        "scopes_supported": sorted(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": sorted(GrantType),
        "token_endpoint_auth_methods_supported": [method.value for method in ALL_METHODS],
        "revocation_endpoint_auth_methods_supported": [method.value for method in ALL_METHODS],
        "introspection_endpoint_auth_methods_supported": [
            method.value for method in CONFIDENTIAL_METHODS
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
