"""A request that its sender signed (RFC 9421), and whether a body is the one that was signed."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from headrace_common.errors import credential_invalid

DIGESTS = MappingProxyType({"sha-256": hashlib.sha256, "sha-512": hashlib.sha512})
"""By their names in Content-Digest: the active ones of RFC 9530, section 5."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What `auth` needs to verify a signature, and what is checked later; nothing is verified yet.

    The signature base may hold other credentials that the sender covered, so it is never shown.
    """

    key_id: str
    algorithm: str
    """As the sender names it, or empty; the key decides, a name can only contradict it."""
    signature_base: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    created: datetime
    expires: datetime | None
    nonce: str
    content_digest: Mapping[str, bytes] | None
    """Digests of the body by a name of `DIGESTS`, at least one; None if it is not covered."""


def check_content_digest(digests: Mapping[str, bytes] | None, body: bytes) -> None:
    """Raise CREDENTIAL_INVALID unless `body` has every one of the digests, and there is one.

    Without any (None) only an empty body passes. It is the credential that fails: what arrived
    is not what the key's owner signed, as with any other part of the message.
    """
    if digests is None:
        matches = not body
    else:
        matches = bool(digests) and all(
            name in DIGESTS and hmac.compare_digest(DIGESTS[name](body).digest(), digest)
            for name, digest in digests.items()
        )
    if not matches:
        raise credential_invalid()
