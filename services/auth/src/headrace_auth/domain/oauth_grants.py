"""What applications ask people for, and authorization codes on their way to them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from headrace_auth.domain.principal import Scope
from headrace_auth.domain.records import Kind


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A valid request of an application (RFC 6749, section 4.1.1) that waits for a person's word.

    The person's browser only ever has its id, an opaque secret.
    """

    KIND: ClassVar = Kind("authorization_request", ("request_sha256",))

    request_sha256: bytes = field(repr=False)
    client_id: str
    redirect_uri: str
    scopes: frozenset[Scope]
    code_challenge: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    state: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """Proof that a person allowed a client something (RFC 6749, section 4.1); used once."""

    KIND: ClassVar = Kind("authorization_code", ("code_sha256",))

    code_sha256: bytes = field(repr=False)
    client_id: str
    user_id: str
    organization_id: str
    redirect_uri: str
    scopes: frozenset[Scope]
    code_challenge: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    token_version: int = 1
    used_at: datetime | None = None
    session_id: str = ""
    """The session that it is exchanged for, chosen beforehand; ended if the code is used again."""
