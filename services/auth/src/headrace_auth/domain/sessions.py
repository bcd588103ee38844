"""Sessions, refresh tokens, one-time tokens and second factors, as records."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from headrace_auth.domain.principal import Scope
from headrace_auth.domain.records import Kind


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device, or one grant to an application: a family of refresh tokens."""

    KIND: ClassVar = Kind("session", ("session_id",))

    session_id: str
    user_id: str
    organization_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    """No refresh lives longer than this."""
    client_id: str = ""
    """The OAuth2 client it was granted to; empty for a login to Headrace itself."""
    scopes: frozenset[Scope] = frozenset()
    """The most that its access tokens may say."""
    token_version: int = 1
    """The user's when it began: a later one ends it."""
    source_address: str = ""
    user_agent: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One link of a session's chain; it may be used once."""

    KIND: ClassVar = Kind("refresh_token", ("token_sha256",))

    token_sha256: bytes = field(repr=False)
    session_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class Purpose(StrEnum):
    """What a token that is sent by e-mail is good for."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - not a password


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """A token that was sent by e-mail, to verify an address or to reset a password; used once."""

    KIND: ClassVar = Kind("one_time_token", ("token_sha256",))

    token_sha256: bytes = field(repr=False)
    purpose: Purpose
    user_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A user's TOTP secret (RFC 6238); it counts once it has been confirmed."""

    KIND: ClassVar = Kind("second_factor", ("user_id",))

    user_id: str
    sealed_secret: bytes = field(repr=False)
    created_at: datetime
    confirmed_at: datetime | None = None
    last_step: int = 0
    """The time step of the last code that was accepted; none is accepted twice."""


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """Stands in for the second factor, once."""

    KIND: ClassVar = Kind("recovery_code", ("user_id", "code_sha256"))

    user_id: str
    code_sha256: bytes = field(repr=False)
    created_at: datetime
    used_at: datetime | None = None
