"""Signs access tokens with the newest key and believes those that any of our keys signed."""

from collections.abc import Sequence
from datetime import datetime

from jose import jwk, jws

from headrace_auth.crypto.signing_keys import ALGORITHM, SigningKey
from headrace_auth.domain.access_tokens import AccessClaims, Audience, from_payload, to_payload
from headrace_auth.domain.refusals import credential_invalid
from headrace_common.signed_tokens import TOKEN_TYPE, InvalidTokenError, PublicKey, TokenVerifier


class AccessTokens:
    """Key objects are built once; the algorithm belongs to the key, never to the token."""

    def __init__(self, keys: Sequence[SigningKey], audience: Audience) -> None:
        """`keys` newest first, at least one."""
        self.audience = audience
        self.public_jwks = tuple(key.public_jwk for key in keys)
        self._kid = keys[0].kid
        self._signer = jwk.construct(keys[0].private_key, ALGORITHM)
        self._verifier = TokenVerifier(
            [PublicKey(key.kid, ALGORITHM, key.public_jwk) for key in keys],
            issuer=audience.issuer,
            audience=audience.audience,
        )

    def sign(self, claims: AccessClaims) -> str:
        """A compact JWS; about 0.1 ms, so it may run on the event loop."""
        payload = to_payload(claims, self.audience)
        headers = {"typ": TOKEN_TYPE, "kid": self._kid}
        token: str = jws.sign(payload, self._signer, headers=headers, algorithm=ALGORITHM)
        return token

    def verify(self, token: str, now: datetime) -> AccessClaims:
        """What an authentic token for us says; raises CREDENTIAL_INVALID for any other text."""
        try:
            return from_payload(self._verifier.verify(token, now))
        except (InvalidTokenError, ValueError, KeyError, TypeError) as error:
            raise credential_invalid() from error
