"""API keys as text and as records.

    hr_<id: 17 base62>_<secret: 43 base62><checksum: 6 base62>

The id is public. The secret carries 256 bits; only its digest is kept, without prefix and id,
see `opaque_secrets.py`. `checksums.py` says what the checksum is for.
"""

import hmac
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

from headrace_auth.domain import base62, checksums, opaque_secrets
from headrace_auth.domain.principal import Budget, Limit, Member, Scope
from headrace_auth.domain.records import Kind

PREFIX = "hr_"
ID_BYTES, ID_LENGTH = 12, 17
ENTROPY_BYTES = ID_BYTES + opaque_secrets.ENTROPY_BYTES

_ID = re.compile(rf"[0-9A-Za-z]{{{ID_LENGTH}}}")
_KEY = re.compile(
    rf"{PREFIX}(?P<id>[0-9A-Za-z]{{{ID_LENGTH}}})"
    rf"_(?P<secret>[0-9A-Za-z]{{{opaque_secrets.SECRET_LENGTH}}})[0-9A-Za-z]{{{checksums.LENGTH}}}"
)


@dataclass(frozen=True, slots=True)
class ApiKeyText:
    """The parts of a well-formed key."""

    api_key_id: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiKeyText({self.api_key_id!r})"

    @property
    def secret_sha256(self) -> bytes:
        return opaque_secrets.digest(self.secret)

    def reveal(self) -> str:
        """The whole key, for its owner's eyes only."""
        return checksums.append_checksum(f"{PREFIX}{self.api_key_id}_{self.secret}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that authenticates by its secret, or by signatures when it has an algorithm.

    `created_by` is whom it acts as; `allowed_models` and `allowed_networks` empty mean all.
    """

    KIND: ClassVar = Kind("api_key", ("api_key_id",))

    api_key_id: str
    organization_id: str
    created_by: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    secret_sha256: bytes | None = field(default=None, repr=False)
    """Of a key that is shown as a bearer credential; None for one that only signs."""
    allowed_models: tuple[str, ...] = ()
    allowed_networks: tuple[str, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    previous_secret_sha256: bytes | None = field(default=None, repr=False)
    previous_secret_expires_at: datetime | None = None
    """Until then the secret before the last rotation works, too."""
    signature_algorithm: str = ""
    """RFC 9421's name, for a key that signs requests."""
    public_key: str = ""
    """Of a key that signs by a private key: the other half, in PEM."""
    sealed_signing_secret: bytes | None = field(default=None, repr=False)
    """Of a key that signs by a secret that both sides have."""
    version: int = 1
    """Counts the changes that gateways must hear of."""

    @property
    def signs(self) -> bool:
        return bool(self.signature_algorithm)

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def has_secret(self, secret_sha256: bytes, now: datetime) -> bool:
        """Whether this is the digest of a secret that works now; compared in constant time."""
        current = self.secret_sha256
        matches = current is not None and hmac.compare_digest(current, secret_sha256)
        if self.previous_secret_sha256 is None or self.previous_secret_expires_at is None:
            return matches
        previous = hmac.compare_digest(self.previous_secret_sha256, secret_sha256)
        return matches or (previous and now < self.previous_secret_expires_at)

    def secret_expires_at(self, secret_sha256: bytes) -> datetime | None:
        """When the credential with this secret ends: a rotated one before the key itself."""
        previous = self.previous_secret_expires_at
        if previous is None or secret_sha256 != self.previous_secret_sha256:
            return self.expires_at
        return min(previous, self.expires_at) if self.expires_at else previous

    def rotated(self, secret_sha256: bytes, now: datetime, overlap: timedelta) -> "ApiKey":
        """With a new secret; the present one works for `overlap` more, an older one no longer."""
        return replace(
            self,
            secret_sha256=secret_sha256,
            previous_secret_sha256=self.secret_sha256 if overlap else None,
            previous_secret_expires_at=now + overlap if overlap else None,
            version=self.version + 1,
        )


@dataclass(frozen=True, slots=True)
class ApiKeyUse:
    """When and how often a key has been used: so far, or in a batch that is to be added."""

    KIND: ClassVar = Kind("api_key_use", ("api_key_id",))

    api_key_id: str
    last_used_at: datetime
    use_count: int


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """A key, the user it acts as in the key's organisation, and the key's own limits."""

    key: ApiKey
    member: Member
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()


def mint(entropy: bytes) -> ApiKeyText:
    """A new key from `ENTROPY_BYTES` random bytes; raises ValueError for another length."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    return ApiKeyText(
        base62.encode(entropy[:ID_BYTES], ID_LENGTH),
        base62.encode(entropy[ID_BYTES:], opaque_secrets.SECRET_LENGTH),
    )


def parse(text: str) -> ApiKeyText | None:
    """The parts of `text`, or None if it is not a whole and undamaged key."""
    match = _KEY.fullmatch(text)
    if match is None or not checksums.has_checksum(text):
        return None
    return ApiKeyText(match["id"], match["secret"])


def mint_for(api_key_id: str, entropy: bytes) -> ApiKeyText:
    """A new secret for a key that exists, from `ENTROPY_BYTES` random bytes."""
    return replace(mint(entropy), api_key_id=api_key_id)


def is_api_key_id(text: str) -> bool:
    """Whether `text` has the form of a public id."""
    return _ID.fullmatch(text) is not None
