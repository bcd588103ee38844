"""P-256 key pairs for ES256 (RFC 7518, section 3.4): made, sealed, opened, published as JWK."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.ports import SealedSigningKey

ALGORITHM = "ES256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key in the clear, in memory only, and what is published of it."""

    kid: str
    private_key: ec.EllipticCurvePrivateKey
    public_jwk: dict[str, Any]

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r})"


def generate(sealer: Sealer, now: datetime) -> SealedSigningKey:
    """A new key pair, its private half sealed with the `kid` as associated data."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    public_jwk = _public_jwk(private_key.public_key())
    kid = public_jwk["kid"]
    encoded = private_key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return SealedSigningKey(kid, ALGORITHM, sealer.seal(encoded, kid), public_jwk, now)


def unseal(key: SealedSigningKey, sealer: Sealer) -> SigningKey:
    """The key, ready to sign; raises HeadraceError (NOT_SERVING) if `sealer` cannot open it."""
    encoded = sealer.open(key.encrypted_private_key, key.kid)
    private_key = serialization.load_der_private_key(encoded, password=None)
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"signing key {key.kid} is not an elliptic-curve key")
    return SigningKey(key.kid, private_key, key.public_jwk)


def _public_jwk(public_key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    numbers = public_key.public_numbers()
    required = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32, "big")),
        "y": _base64url(numbers.y.to_bytes(32, "big")),
    }
    # RFC 7638: the thumbprint names the key by its content, so no two keys share a kid.
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return {**required, "kid": kid, "use": "sig", "alg": ALGORITHM}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
