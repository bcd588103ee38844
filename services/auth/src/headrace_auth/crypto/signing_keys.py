"""Key pairs for ES256 and RS256 (RFC 7518, section 3): made, sealed, opened, published as JWK."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.ports import SealedSigningKey
from headrace_common.errors import HeadraceError, Reason
from headrace_common.signed_tokens import PublicKey, TokenSigner, algorithm_of

RSA_BITS = 3072
"""As strong as P-256: 128 bits (NIST SP 800-57, part 1, table 2)."""
RSA_EXPONENT = 65_537

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key in the clear, in memory only, ready to sign, and what is published of it."""

    kid: str
    algorithm: str
    public_jwk: dict[str, Any]
    activates_at: datetime
    retires_at: datetime | None
    signer: TokenSigner

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r})"

    def to_public(self) -> PublicKey:
        return PublicKey(self.kid, self.public_jwk, self.retires_at)


def generate(
    algorithm: str, sealer: Sealer, *, created_at: datetime, activates_at: datetime
) -> SealedSigningKey:
    """A new key pair, its private half sealed with the `kid` as associated data.

    An RSA key takes a second or so: not for the event loop. Raises ValueError for an algorithm
    other than ES256 and RS256.
    """
    private_key = _generate(algorithm)
    public_jwk = _public_jwk(private_key)
    kid = public_jwk["kid"]
    encoded = private_key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    sealed = sealer.seal(encoded, kid)
    return SealedSigningKey(kid, algorithm, sealed, public_jwk, created_at, activates_at)


def unseal(key: SealedSigningKey, sealer: Sealer) -> SigningKey:
    """The key, ready to sign; raises HeadraceError (NOT_SERVING) if `sealer` cannot open it."""
    encoded = sealer.open(key.encrypted_private_key, key.kid)
    private_key = serialization.load_der_private_key(encoded, password=None)
    if not isinstance(private_key, PrivateKey):
        raise _unusable(key)
    # From the private key itself, which is authenticated; the row beside it is not.
    public_jwk = _public_jwk(private_key)
    if public_jwk["alg"] != key.algorithm:
        raise _unusable(key)
    signer = TokenSigner(key.kid, private_key, key.algorithm)
    return SigningKey(key.kid, key.algorithm, public_jwk, key.activates_at, key.retires_at, signer)


def _unusable(key: SealedSigningKey) -> HeadraceError:
    message = f"the stored signing key {key.kid} is not one for {key.algorithm}"
    return HeadraceError(Reason.NOT_SERVING, message)


def _generate(algorithm: str) -> PrivateKey:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "RS256":
            return rsa.generate_private_key(RSA_EXPONENT, RSA_BITS)
    raise ValueError(f"no keys are made for {algorithm}")


def _public_jwk(private_key: PrivateKey) -> dict[str, Any]:
    required = _required_members(private_key)
    # RFC 7638: the thumbprint names the key by its content, so no two keys share a kid.
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return {**required, "kid": kid, "use": "sig", "alg": algorithm_of(required)}


def _required_members(private_key: PrivateKey) -> dict[str, str]:
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        point = private_key.public_key().public_numbers()
        curve = {"secp256r1": "P-256"}.get(private_key.curve.name, private_key.curve.name)
        return {"crv": curve, "kty": "EC", "x": _integer(point.x, 32), "y": _integer(point.y, 32)}
    numbers = private_key.public_key().public_numbers()
    return {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}


def _integer(value: int, length: int | None = None) -> str:
    """Base64urlUInt (RFC 7518, section 2), or of a fixed length for a point's coordinates."""
    return _base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
