"""Signs access tokens with the key whose turn it is; believes those that a published key signed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from headrace_auth.crypto.signing_keys import SigningKey
from headrace_auth.domain import key_rotation
from headrace_auth.domain.access_tokens import AccessClaims, Audience, from_payload, to_payload
from headrace_common.errors import HeadraceError, Reason, credential_invalid
from headrace_common.signed_tokens import InvalidTokenError, TokenVerifier


class AccessTokens:
    """One set of keys at a time, exchanged as a whole; the algorithm belongs to the key.

    Who signs and who is believed follows from the keys' dates, so a set stays right while the
    database that it came from does not answer.
    """

    def __init__(self, audience: Audience, keys: Sequence[SigningKey] = ()) -> None:
        self.audience = audience
        self.use(keys)

    def use(self, keys: Sequence[SigningKey]) -> None:
        """From now on sign and verify with these; what is running ends with what it began with."""
        verifier = TokenVerifier(
            [key.to_public() for key in keys],
            issuer=self.audience.issuer,
            audience=self.audience.audience,
        )
        self._keys, self._verifier = tuple(keys), verifier

    def public_jwks(self, now: datetime) -> list[dict[str, Any]]:
        """The published keys, the one that signs first (RFC 7517)."""
        return [key.public_jwk for key in key_rotation.published(self._keys, now)]

    def sign(self, claims: AccessClaims) -> str:
        """A compact JWS by the key of the time of issue; raises NOT_SERVING while there is none.

        Takes about 0.1 ms with ES256, 1 ms with RS256, so it may run on the event loop.
        """
        key = key_rotation.signing(self._keys, claims.issued_at)
        if key is None:
            raise HeadraceError(Reason.NOT_SERVING, "there is no signing key yet")
        return key.signer.sign(to_payload(claims, self.audience))

    def verify(self, token: str, now: datetime) -> AccessClaims:
        """What an authentic token for us says; raises CREDENTIAL_INVALID for any other text."""
        try:
            return from_payload(self._verifier.verify(token, now))
        except (InvalidTokenError, ValueError, KeyError, TypeError) as error:
            raise credential_invalid() from error
