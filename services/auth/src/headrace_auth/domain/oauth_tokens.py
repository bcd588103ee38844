"""What the authorization server issues, and what is known of a token."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from headrace_auth.domain.principal import Scope


class TokenKind(StrEnum):
    """The two kinds of tokens (RFC 6749, sections 1.4 and 1.5)."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - not a password
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - not a password


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """Fresh tokens with the access token's life and rights."""

    access_token: str = field(repr=False)
    expires_in_seconds: int
    refresh_token: str | None = field(repr=False)
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class TokenDescription:
    """What is known of a token that works now; `session_id` is empty without a session."""

    kind: TokenKind
    token_id: str
    session_id: str
    client_id: str
    user_id: str
    organization_id: str
    scopes: frozenset[Scope]
    issued_at: datetime
    expires_at: datetime
