"""What the sender of a signed request claims (RFC 9421), as a gateway passes it on."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
"""How far `created` may be from our clock, either way."""
NONCES_KEPT = 3 * WINDOW
"""A request can come from one window before its `created` to one after, by clocks that differ."""
MAXIMUM_NONCE = 128
MAXIMUM_BASE = 64 * 1024


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Nothing of it is verified yet; the base may hold credentials, so it is never shown."""

    key_id: str
    algorithm: str
    """As the sender names it, or empty: the key has one, which a name can only contradict."""
    signature_base: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    created: datetime
    nonce: str

    def is_timely(self, now: datetime) -> bool:
        return abs(now - self.created) <= WINDOW

    def is_within_bounds(self) -> bool:
        return 1 <= len(self.nonce) <= MAXIMUM_NONCE and len(self.signature_base) <= MAXIMUM_BASE
