"""Who exists and where they belong, as records."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from headrace_auth.domain.principal import Role, Tier
from headrace_auth.domain.records import Kind


class UserKind(StrEnum):
    """A person logs in; a service account only has keys and OAuth2 clients."""

    PERSON = "person"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant; `version` counts the changes that concern all of its principals."""

    KIND: ClassVar = Kind("organization", ("organization_id",), (("name",),))

    organization_id: str
    name: str
    created_at: datetime
    platform: bool = False
    """The one whose owners run this installation: they make organisations, prices and keys."""
    version: int = 1
    tier: Tier = Tier.STANDARD


@dataclass(frozen=True, slots=True)
class Team:
    """A part of an organisation that limits and budgets can be set for."""

    KIND: ClassVar = Kind("team", ("team_id",), (("organization_id", "name"),))

    team_id: str
    organization_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person or a service account; `token_version` counts what ended all of its tokens."""

    KIND: ClassVar = Kind("user", ("user_id",), (("email",),))

    user_id: str
    email: str | None
    """Normalised; None for service accounts."""
    created_at: datetime
    password_hash: str | None = field(default=None, repr=False)
    token_version: int = 1
    kind: UserKind = UserKind.PERSON
    name: str = ""
    email_verified_at: datetime | None = None
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's place in an organisation; `version` counts what changed its rights."""

    KIND: ClassVar = Kind("membership", ("user_id", "organization_id"))

    user_id: str
    organization_id: str
    role: Role
    created_at: datetime
    team_id: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Invitation:
    """An offer to join, sent to an address; whoever has its token may take it once."""

    KIND: ClassVar = Kind("invitation", ("invitation_id",), (("token_sha256",),))

    invitation_id: str
    organization_id: str
    email: str
    role: Role
    token_sha256: bytes = field(repr=False)
    created_by: str
    created_at: datetime
    expires_at: datetime
    team_id: str | None = None
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        return self.accepted_at is None and self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """A user as an identity provider knows it."""

    KIND: ClassVar = Kind("linked_identity", ("provider", "subject"))

    provider: str
    subject: str
    user_id: str
    email: str
    created_at: datetime
