"""AnswerSigner with Ed25519: a key of this process signs, and a certificate vouches for the key.

Both are JSON Web Signatures (RFC 7515, 8037). The certificate is made with the platform's key: the
processes that serve a model share it as a secret, and its public half is published, so whoever
verifies need not know which process answered.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headrace_common.clock import Clock
from headrace_common.logs import get_logger
from headrace_inference.domain.attestation import Statement, canonical
from headrace_inference.domain.events import AnswerSignature
from headrace_inference.ports import AnswerKey

STATEMENT_TYPE = "headrace-answer+jws"
CERTIFICATE_TYPE = "headrace-answer-key+jws"


class Ed25519AnswerSigner:
    """Makes its key when it is made, and a new one every `key_seconds`; keeps it in memory only."""

    def __init__(self, seeds: Sequence[bytes], clock: Clock, *, key_seconds: int) -> None:
        """`seeds`: the platform's keys, 32 bytes each; the first signs, all are published."""
        self._platform = [_Key(Ed25519PrivateKey.from_private_bytes(seed)) for seed in seeds]
        self._clock = clock
        self._key_seconds = key_seconds
        self._renew(self._now())

    def public_keys(self) -> Sequence[AnswerKey]:
        return [AnswerKey(key.kid, key.public) for key in self._platform]

    def sign(self, statement: Statement) -> AnswerSignature:
        now = self._now()
        if now >= self._renew_at:
            self._renew(now)
        claims = {
            "iat": now,
            "request_id": statement.request_id,
            "model": statement.model.id,
            "model_digest": statement.model.digest,
            "request_digest": statement.request_digest,
            "answer_digest": statement.answer_digest,
        }
        return AnswerSignature(self._key.sign(STATEMENT_TYPE, claims), self._certificate)

    def _renew(self, now: int) -> None:
        self._key = _Key(Ed25519PrivateKey.generate())
        self._renew_at = now + self._key_seconds
        claims = {"iat": now, "exp": self._renew_at, "cnf": {"jwk": self._key.jwk}}
        self._certificate = self._platform[0].sign(CERTIFICATE_TYPE, claims)
        # The one place that tells whose key it was that signed an answer.
        get_logger().info("answer_key_made", credential_id=self._key.kid)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


class _Key:
    """A private key that signs, and its public half as a JWK with its thumbprint (RFC 7638)."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": base64url(self.public)}
        self.kid = base64url(hashlib.sha256(canonical(self.jwk)).digest())

    def sign(self, kind: str, claims: dict[str, Any]) -> str:
        """A JSON Web Signature in compact form."""
        header = {"alg": "EdDSA", "kid": self.kid, "typ": kind}
        signed = f"{base64url(canonical(header))}.{base64url(canonical(claims))}"
        return f"{signed}.{base64url(self._private.sign(signed.encode()))}"


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
