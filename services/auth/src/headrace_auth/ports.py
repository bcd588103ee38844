"""What auth needs from outside.

Every method of a store raises HeadraceError (DEPENDENCY_UNAVAILABLE) when it cannot tell: an outage
is never an answer about a credential.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from headrace_auth.domain.api_keys import ApiKey, StoredApiKey
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Member


@dataclass(frozen=True, slots=True)
class Account:
    """What logging in needs of a user; `organization_id` is the oldest membership's."""

    user_id: str
    password_hash: str
    organization_id: str | None

    def __repr__(self) -> str:
        return f"Account({self.user_id!r})"


@dataclass(frozen=True, slots=True)
class FirstOwner:
    """The organisation and the owner that an empty installation starts with."""

    organization_id: str
    organization_name: str
    user_id: str
    email: str
    password_hash: str
    created_at: datetime

    def __repr__(self) -> str:
        return f"FirstOwner({self.user_id!r})"


@dataclass(frozen=True, slots=True)
class SealedSigningKey:
    """A key that signs access tokens, its private half encrypted."""

    kid: str
    algorithm: str
    encrypted_private_key: bytes
    public_jwk: dict[str, Any]
    created_at: datetime


class Users(Protocol):
    """Who exists, and where they belong."""

    async def account(self, email: str) -> Account | None:
        """The account of a normalised e-mail address."""

    async def member(self, user_id: str, organization_id: str) -> Member | None:
        """The user in that organisation, with what limits them there."""

    async def any_exists(self) -> bool:
        """Whether there is a user at all."""

    async def add_first_owner(self, owner: FirstOwner) -> bool:
        """Add `owner` if there is no user yet; True for exactly one of several racing callers."""


class ApiKeys(Protocol):
    """The keys of all organisations; secrets only as SHA-256 digests."""

    async def add(self, key: ApiKey, secret_sha256: bytes) -> None:
        """Keep a new key together with its limits."""

    async def find(self, api_key_id: str) -> StoredApiKey | None:
        """The key and its maker as of now; None also when the maker left the organisation."""

    async def page(
        self, organization_id: str, *, created_by: str | None, after: Position | None, size: int
    ) -> list[ApiKey]:
        """At most `size` keys after a position, newest first; of one maker, or of all."""

    async def revoke(
        self, api_key_id: str, organization_id: str, *, created_by: str | None, now: datetime
    ) -> ApiKey | None:
        """End a key for good; the first revocation's time stays. None if there is no such key."""


class SigningKeys(Protocol):
    """The keys that sign access tokens."""

    async def newest_first(self) -> list[SealedSigningKey]:
        """All keys; the first one signs."""

    async def add_first(self, key: SealedSigningKey) -> bool:
        """Add `key` if there is none yet; True for exactly one of several racing callers."""


class Store(Protocol):
    """One database with everything in it."""

    @property
    def users(self) -> Users: ...

    @property
    def api_keys(self) -> ApiKeys: ...

    @property
    def signing_keys(self) -> SigningKeys: ...


class RevocationAnnouncer(Protocol):
    """Tells every gateway that a credential has ended."""

    async def announce(self, organization_id: str, credential_id: str) -> None:
        """Return once told; raises HeadraceError (DEPENDENCY_UNAVAILABLE)."""
