"""Third-party applications as OAuth 2.0 clients (RFC 6749, section 2), and what one may be."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from headrace_auth.domain import base62, opaque_secrets
from headrace_auth.domain.access_tokens import OWN_CLIENT_ID
from headrace_auth.domain.fields import MAXIMUM_NAME, check_text
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.domain.records import Kind
from headrace_auth.domain.redirect_uris import check_redirect_uri, redirect_uri_matches
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_common.errors import HeadraceError

MAXIMUM_REDIRECT_URIS = 10
SHA256_BYTES = 32
CLIENT_ID_BYTES, CLIENT_ID_LENGTH = 12, 17
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,100}")


class GrantType(StrEnum):
    """How a client may get tokens; neither implicit nor password, see RFC 9700, section 2."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - not a password


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An application that an administrator of one organisation registered.

    `secret_sha256` is the digest of the whole secret, None for a public client.
    `service_user_id` is the service account that client_credentials acts as.
    """

    KIND: ClassVar = Kind("client", ("client_id",))

    client_id: str
    organization_id: str
    name: str
    secret_sha256: bytes | None = field(repr=False)
    redirect_uris: tuple[str, ...]
    grant_types: frozenset[GrantType]
    scopes: frozenset[Scope]
    service_user_id: str | None
    created_by: str
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def is_public(self) -> bool:
        """Whether it can keep no secret (RFC 6749, section 2.1)."""
        return self.secret_sha256 is None

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None

    def accepts_redirect_to(self, uri: str) -> bool:
        return any(redirect_uri_matches(registered, uri) for registered in self.redirect_uris)


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What somebody asks a new client to be, not yet checked against any rule or right."""

    name: str
    redirect_uris: tuple[str, ...]
    grant_types: frozenset[GrantType]
    scopes: frozenset[Scope]
    public: bool = False
    """It can keep no secret, and gets none."""
    service_user_id: str | None = None


def grant_types_of(names: Iterable[str]) -> frozenset[GrantType]:
    """Raises INVALID_FIELD."""
    try:
        return frozenset(GrantType(name) for name in names)
    except ValueError as error:
        raise _grant_types_rule() from error


def client_id_of(entropy: bytes) -> str:
    """A public id from `CLIENT_ID_BYTES` random bytes."""
    return base62.encode(entropy, CLIENT_ID_LENGTH)


def has_client_secret(client: OAuthClient | None, secret: str) -> bool:
    """Whether `secret` is the client's; for no client or a public one the same work, and False."""
    expected = client.secret_sha256 if client else None
    matches = hmac.compare_digest(expected or bytes(SHA256_BYTES), opaque_secrets.digest(secret))
    return matches and expected is not None


def granted_scopes(
    requested: frozenset[Scope], client: OAuthClient, role: Role
) -> frozenset[Scope]:
    """What was asked for, as far as the client may have it and the user has it now."""
    return requested & client.scopes & SCOPES_OF_ROLE[role]


def check_oauth_client(client: OAuthClient) -> None:
    """Raises INVALID_FIELD, naming the field, unless the client keeps every rule."""
    if not _CLIENT_ID.fullmatch(client.client_id) or client.client_id == OWN_CLIENT_ID:
        raise invalid_field("client_id", "1 to 100 letters, digits and .-_~; not Headrace's own")
    check_text("name", client.name, MAXIMUM_NAME)
    if client.secret_sha256 is not None and len(client.secret_sha256) != SHA256_BYTES:
        raise invalid_field("secret_sha256", f"must have {SHA256_BYTES} bytes")
    if not client.scopes <= frozenset(Scope) or not client.scopes:
        raise invalid_field("scopes", f"at least one, each one of {', '.join(Scope)}")
    _check_grant_types(client)
    _check_redirect_uris(client)


def _check_grant_types(client: OAuthClient) -> None:
    grants = client.grant_types
    if not grants or not grants <= frozenset(GrantType):
        raise _grant_types_rule()
    if GrantType.REFRESH_TOKEN in grants and GrantType.AUTHORIZATION_CODE not in grants:
        raise invalid_field("grant_types", "refresh_token needs authorization_code")
    if GrantType.CLIENT_CREDENTIALS in grants and client.is_public:
        raise invalid_field("grant_types", "client_credentials is for clients with a secret")
    if (GrantType.CLIENT_CREDENTIALS in grants) != (client.service_user_id is not None):
        raise invalid_field("service_user_id", "goes with client_credentials, and only with it")


def _grant_types_rule() -> HeadraceError:
    return invalid_field("grant_types", f"at least one, each one of {', '.join(GrantType)}")


def _check_redirect_uris(client: OAuthClient) -> None:
    uris = client.redirect_uris
    if (GrantType.AUTHORIZATION_CODE in client.grant_types) != bool(uris):
        raise invalid_field("redirect_uris", "go with authorization_code, and only with it")
    if len(uris) > MAXIMUM_REDIRECT_URIS or len(set(uris)) != len(uris):
        raise invalid_field("redirect_uris", f"at most {MAXIMUM_REDIRECT_URIS}, none twice")
    for uri in uris:
        check_redirect_uri(uri, public=client.is_public)
