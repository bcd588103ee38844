"""What auth needs from outside.

Every method of a store raises HeadraceError (DEPENDENCY_UNAVAILABLE) when it cannot tell: an outage
is never an answer about a credential.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.api_keys import ApiKeyUse, StoredApiKey
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.mails import Mail
from headrace_auth.domain.paging import Position
from headrace_auth.domain.pending_login import PendingLogin
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import Member
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.domain.records import Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")

BATCHES_KEPT = timedelta(days=1)
"""How long a batch of uses may come again without being counted again."""


class Records(Protocol[R]):
    """The records of one type, within a transaction."""

    async def get(self, *key: Any, lock: bool = False) -> R | None:
        """The record with this key; locked, it stays as it is until the transaction ends."""

    async def find(self, **equals: Any) -> list[R]:
        """All records with these values, by key; for what is few by nature.

        A frozenset stands for any of its members.
        """

    async def by_key(self, after: tuple[Any, ...] | None, size: int, **equals: Any) -> list[R]:
        """At most `size` records with these values whose key comes after a given one, by key."""

    async def page(self, after: Position | None, size: int, **equals: Any) -> list[R]:
        """At most `size` records with these values after a position, newest first."""

    async def add(self, record: R) -> None:
        """Keep a new record; raises ALREADY_EXISTS."""

    async def put(self, record: R) -> None:
        """Keep a changed record; raises ALREADY_EXISTS, or LookupError if there is none."""

    async def remove(self, *key: Any) -> None:
        """Forget the record with this key, if there is one."""

    async def purge(self, field: str, before: datetime, size: int) -> int:
        """Forget at most `size` records whose `field` lies before a moment; how many."""


class Transaction(Protocol):
    """Everything that happens in one step, or not at all."""

    def of(self, record_type: type[R]) -> Records[R]:
        """The records of this type."""

    async def alone(self, name: str) -> None:
        """Until this transaction ends, others that ask for the same name wait."""

    async def now(self) -> datetime:
        """The database's clock, which all replicas share."""


class Principals(Protocol):
    """What resolving a credential reads, in one round trip each."""

    async def api_key(self, api_key_id: str) -> StoredApiKey | None:
        """The key and whom it acts as now; None also when that user left or was disabled."""

    async def member(
        self, user_id: str, organization_id: str, *, unless_ended: Sequence[str] = ()
    ) -> Member | None:
        """The user in that organisation, with what limits it there.

        None as above, and also when one of these revocation ids has ended.
        """

    async def price_table(self, version: int) -> PriceTable | None:
        """That version, which is never changed; a member tells which is in force."""


class Announcements(Protocol):
    """What was written to be told to others."""

    async def revocations_since(
        self, moment: datetime, after: Revocation | None, size: int
    ) -> tuple[Sequence[Revocation], datetime]:
        """At most `size` of what ended after `moment`, by `place`, and the database's clock.

        With `after` only what comes after that. What is committed while somebody goes from page
        to page may lie before the place reached: it has ended after the first page's clock, less
        the time that a transaction takes.
        """

    async def undelivered(self, size: int) -> Sequence[OutboxEvent]:
        """The oldest events that wait for delivery."""

    async def delivered(self, event_ids: Sequence[str]) -> None:
        """Forget these events."""


@dataclass(frozen=True, slots=True)
class SealedSigningKey:
    """A key that signs access tokens, its private half encrypted."""

    kid: str
    algorithm: str
    encrypted_private_key: bytes
    public_jwk: dict[str, Any]
    created_at: datetime
    activates_at: datetime
    retires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"SealedSigningKey({self.kid!r})"


class SigningKeys(Protocol):
    """The keys that sign access tokens."""

    async def all(self) -> list[SealedSigningKey]:
        """Every key, in the order in which they begin to sign."""

    async def add(
        self, key: SealedSigningKey, *, known: Collection[str], others_retire_at: datetime
    ) -> bool:
        """Add `key` if there are exactly the `known` kids, and have all others retire by then.

        True for exactly one of several racing callers.
        """

    async def delete(self, kids: Collection[str]) -> None:
        """Forget keys for good."""


class KeyUses(Protocol):
    """How often and when keys were used; read as records of ApiKeyUse."""

    async def add(self, batch_id: str, uses: Sequence[ApiKeyUse]) -> bool:
        """Add to what is known of keys that exist, in one step; False if the batch came before.

        A batch is remembered for `BATCHES_KEPT`.
        """


class Store(Protocol):
    """One database with everything in it."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction, committed at the end of the block and undone if the block raises."""

    @property
    def principals(self) -> Principals: ...

    @property
    def announcements(self) -> Announcements: ...

    @property
    def signing_keys(self) -> SigningKeys: ...

    @property
    def key_uses(self) -> KeyUses: ...


class Nonces(Protocol):
    """What signed requests may say once."""

    async def burn(self, key_id: str, nonce: str, kept_for: timedelta) -> bool:
        """Whether the key has not used the nonce yet; from now on it has.

        Raises HeadraceError (DEPENDENCY_UNAVAILABLE) if it cannot be remembered.
        """


class RevocationAnnouncer(Protocol):
    """Tells every gateway that principals have ended."""

    async def announce(self, organization_id: str, revocation_ids: Iterable[str]) -> None:
        """Return once told; raises HeadraceError (DEPENDENCY_UNAVAILABLE)."""


class BreachedPasswords(Protocol):
    """A list of passwords that nobody should choose any more."""

    def contains(self, password: str) -> bool:
        """Whether the password is known; may read a disk, so call it off the event loop.

        Raises HeadraceError (DEPENDENCY_UNAVAILABLE) when it cannot tell.
        """


class Mailer(Protocol):
    """Sends mail to people."""

    async def send(self, mail: Mail) -> None:
        """Return once the next hop has it; raises HeadraceError (DEPENDENCY_UNAVAILABLE)."""


class IdentityProvider(Protocol):
    """Somebody else who knows people: the authorization code flow with PKCE, seen from the client.

    Both methods raise HeadraceError: DEPENDENCY_UNAVAILABLE when the provider cannot be reached or
    answers late or with a fault of its own, LOGIN_FAILED when it refuses or cannot be believed.
    Each provider needs a `redirect_uri` of its own, so that no other can stand in (RFC 9700, 4.4).
    """

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        """Where the person's browser goes; it comes back to `redirect_uri` with code and state."""

    async def identity(
        self, *, redirect_uri: str, code: str, nonce: str, code_verifier: str
    ) -> ExternalIdentity:
        """Whom the code stands for; everything but `code` as it was given for the URL."""


class UnfinishedLogins(Protocol[T]):
    """Remembers for a few minutes where a login through a provider stands; each thing once.

    Both methods raise DEPENDENCY_UNAVAILABLE.
    """

    async def put(self, secret: str, data: T, seconds: int) -> None:
        """Remember `data` under the secret for so long; the secret itself is not kept."""

    async def take(self, secret: str) -> T | None:
        """What was remembered, for exactly one of all callers; None if nothing is, or no more."""


LoginStates: TypeAlias = UnfinishedLogins[PendingLogin]
"""Logins whose person is at the provider, by `state`."""
LoginCodes: TypeAlias = UnfinishedLogins[ProvenLogin]
"""Logins that the front end has not picked up yet, by login code."""
