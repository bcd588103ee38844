"""Opaque secrets: what refreshes, verifies, resets, invites or signs, as text and as a digest.

    <prefix>_<secret: 43 base62><checksum: 6 base62>

The secret carries 256 bits, so a single SHA-256 keeps it as well as a slow hash would. What `parse`
gives covers the prefix too: a secret for one purpose stays worthless for another even where all
digests share one table, since rewriting the prefix changes the digest. API keys have an id besides,
see `api_keys.py`; both are drawn in `crypto/new_secrets.py`.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from headrace_auth.domain import base62, checksums

ENTROPY_BYTES, SECRET_LENGTH = 32, 43

_REST = re.compile(rf"[0-9A-Za-z]{{{SECRET_LENGTH + checksums.LENGTH}}}")


class TokenPrefix(StrEnum):
    """What a token is for; no prefix is the beginning of another, nor of an API key's."""

    REFRESH = "hrr"
    EMAIL_VERIFICATION = "hrv"
    PASSWORD_RESET = "hrp"  # noqa: S105 - not a password
    INVITATION = "hri"
    CLIENT_SECRET = "hrc"  # noqa: S105 - not a password
    LOGIN_CODE = "hrl"
    SIGNING_SECRET = "hrk"  # noqa: S105 - not a password
    AUTHORIZATION_REQUEST = "hrq"
    AUTHORIZATION_CODE = "hra"


@dataclass(frozen=True, slots=True)
class Secret:
    """A new token, known in full only to whoever made it and whom it is shown to."""

    prefix: TokenPrefix
    secret: str

    def __repr__(self) -> str:
        return f"Secret({self.prefix.value!r})"

    @property
    def sha256(self) -> bytes:
        """What to keep: equal to what `parse` returns for the whole token."""
        return digest(self._body)

    def reveal(self) -> str:
        """The whole token, for its owner's eyes only."""
        return checksums.append_checksum(self._body)

    @property
    def _body(self) -> str:
        return f"{self.prefix.value}_{self.secret}"


def mint(prefix: TokenPrefix, entropy: bytes) -> Secret:
    """A new token from `ENTROPY_BYTES` random bytes; raises ValueError for another length."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a token needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    return Secret(prefix, base62.encode(entropy, SECRET_LENGTH))


def parse(prefix: TokenPrefix, text: str) -> bytes | None:
    """The SHA-256 that a token of this kind is kept as; None for anything else or damaged."""
    start, _, rest = text.partition("_")
    if start != prefix.value or _REST.fullmatch(rest) is None or not checksums.has_checksum(text):
        return None
    return digest(text[: -checksums.LENGTH])


def digest(text: str) -> bytes:
    """The SHA-256 that is kept of a text too random to be guessed; 32 bytes."""
    return hashlib.sha256(text.encode()).digest()
