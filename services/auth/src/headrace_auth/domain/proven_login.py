"""What is remembered of a login between the provider's word and the front end's."""

import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.pending_login import s256_challenge

CODE_SECONDS = 60
"""How long a login code lives: a page picks it up as soon as it is opened."""
SECOND_FACTOR_SECONDS = 300
"""How long it lives once it turned out that a person has to type another code first."""
MAXIMUM_TRIES = 5
"""Exchanges of one login code; only the lack of a second factor leads to a further one."""


@dataclass(frozen=True, slots=True)
class ProvenLogin:
    """Kept under a login code: whom the provider vouched for, and who may hear of it.

    `link_session_id` is the session whose person links the identity, None for a login.
    """

    identity: ExternalIdentity
    front_end_challenge: str = field(repr=False)
    expires_at: datetime
    link_session_id: str | None = None
    tries: int = 0

    def belongs_to(self, code_verifier: str) -> bool:
        """Whether the verifier is that of the front end which began this login."""
        try:
            challenge = s256_challenge(code_verifier)
        except ValueError:
            return False
        return hmac.compare_digest(challenge, self.front_end_challenge)

    def seconds_left(self, now: datetime) -> int:
        """Whole seconds until it expires; 0 when it has, or when it was tried too often."""
        if self.tries >= MAXIMUM_TRIES:
            return 0
        return max(0, int((self.expires_at - now).total_seconds()))

    def after_try(self, now: datetime) -> "ProvenLogin":
        """Tried once without a right second factor; the first time there is more time for it."""
        later = now + timedelta(seconds=SECOND_FACTOR_SECONDS)
        expires_at = later if self.tries == 0 else self.expires_at
        return replace(self, tries=self.tries + 1, expires_at=expires_at)
