"""What an OpenID Connect provider publishes about itself (OpenID Connect Discovery 1.0)."""

from dataclasses import dataclass
from typing import Any

from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError
from headrace_auth.domain.federation import ProviderConfig
from headrace_auth.domain.provider_urls import check_endpoint

WELL_KNOWN = "/.well-known/openid-configuration"
AUTH_METHODS = ("client_secret_basic", "client_secret_post")
"""How this service can show who it is at the token endpoint; the first that is offered is used."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The endpoints of one provider."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_method: str


def discovery_url(config: ProviderConfig) -> str:
    """Where the document is (section 4.1)."""
    return config.issuer.removesuffix("/") + WELL_KNOWN


def read_metadata(document: Any, config: ProviderConfig) -> Metadata:
    """The endpoints in the document; raises UnbelievableError.

    The issuer must be the configured one to the letter, or any host that this service is led to
    could speak for another (section 4.3).
    """
    if not isinstance(document, dict) or document.get("issuer") != config.issuer:
        raise UnbelievableError("discovery_issuer")

    def endpoint(name: str) -> str:
        try:
            return check_endpoint(name, document[name], http_on_loopback=config.may_use_http)
        except (KeyError, TypeError, ValueError) as error:
            raise UnbelievableError(f"discovery_{name}") from error

    return Metadata(
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=(
            endpoint("userinfo_endpoint") if document.get("userinfo_endpoint") else None
        ),
        auth_method=_auth_method(document),
    )


def _auth_method(document: dict[str, Any]) -> str:
    # Section 3: client_secret_basic if omitted.
    offered = document.get("token_endpoint_auth_methods_supported", AUTH_METHODS[:1])
    for method in AUTH_METHODS:
        if isinstance(offered, list | tuple) and method in offered:
            return method
    raise UnbelievableError("discovery_token_endpoint_auth_methods_supported")
