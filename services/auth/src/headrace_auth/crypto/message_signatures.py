"""Keys and signatures of signed requests (RFC 9421, section 3.3): Ed25519, P-256 and HMAC."""

import base64
import json
import re
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

from headrace_auth.crypto import edwards25519
from headrace_auth.domain.refusals import invalid_field

MINIMUM_SECRET_BYTES = 32
MAXIMUM_KEY_CHARACTERS = 2048
INTEGER_BYTES = 32
"""Of a P-256 coordinate, and of r and s in its signatures."""

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----", re.ASCII)
_COORDINATE = re.compile(r"[A-Za-z0-9_-]{43}")

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class SignatureAlgorithm(StrEnum):
    """Names of RFC 9421's registry; a key has exactly one."""

    ED25519 = "ed25519"
    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    HMAC_SHA256 = "hmac-sha256"


def parse_public_key(text: str) -> tuple[SignatureAlgorithm, bytes]:
    """A public key's algorithm and its canonical DER (SubjectPublicKeyInfo, RFC 5280).

    `text` is PEM ("PUBLIC KEY", RFC 7468) or a JWK (RFC 7517), of which only the key itself is
    read. Raises INVALID_FIELD (`public_key`) for anything else: another kind of key, a private
    key, a point that is not on its curve or under which anybody could sign.
    """
    try:
        key = _public_key(text)
        der = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return _algorithm(key), der
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm, RecursionError):
        # From None: the parser's error may show what was sent, which may be a private key.
        raise invalid_field(
            "public_key", "must be an Ed25519 or P-256 public key in PEM or as a JWK"
        ) from None


def verify(
    algorithm: SignatureAlgorithm,
    key_material: bytes,
    signature_base: bytes,
    signature: bytes,
    *,
    named: str = "",
) -> bool:
    """Whether `signature` over `signature_base` was made with the key; never raises.

    `algorithm` and `key_material` are the stored key's: DER as `parse_public_key` returns it, or
    the secret of at least `MINIMUM_SECRET_BYTES`. `named` is what the request calls the algorithm,
    if it does; it is never followed, but another name than the key's is False.
    """
    if named not in ("", algorithm):
        return False
    public_key = _load(key_material)
    try:
        if algorithm is SignatureAlgorithm.HMAC_SHA256:
            # What is public is no secret: with it as the secret, anybody could sign.
            return public_key is None and _is_hmac(key_material, signature_base, signature)
        if public_key is None or _algorithm(public_key) is not algorithm:
            return False
        _verify_with(public_key, signature_base, signature)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_hmac(secret: bytes, signature_base: bytes, signature: bytes) -> bool:
    if len(secret) < MINIMUM_SECRET_BYTES:
        return False
    mac = HMAC(secret, hashes.SHA256())
    mac.update(signature_base)
    mac.verify(signature)  # in constant time
    return True


def _verify_with(key: PublicKey, signature_base: bytes, signature: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signature_base)
        return
    if len(signature) != 2 * INTEGER_BYTES:
        raise ValueError("not r and s of 32 bytes each (RFC 9421, section 3.3.4)")
    r, s = signature[:INTEGER_BYTES], signature[INTEGER_BYTES:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    key.verify(der, signature_base, ec.ECDSA(hashes.SHA256()))


def _load(der: bytes) -> PublicKey | None:
    try:
        key = serialization.load_der_public_key(der)
        return key if isinstance(key, PublicKey) else None
    except (ValueError, UnsupportedAlgorithm):
        return None


def _public_key(text: str) -> PublicKey:
    if len(text) > MAXIMUM_KEY_CHARACTERS:
        raise ValueError(f"more than {MAXIMUM_KEY_CHARACTERS} characters")
    text = text.strip()
    key = _from_jwk(json.loads(text)) if text.startswith("{") else _from_pem(text)
    if isinstance(key, ed25519.Ed25519PublicKey) and not edwards25519.is_sound(
        key.public_bytes_raw()
    ):
        raise ValueError("not a point of the curve, or of small order")
    return key


def _from_pem(text: str) -> PublicKey:
    if not _PEM.fullmatch(text):
        raise ValueError("not one block of PEM")
    key = serialization.load_pem_public_key(text.encode("ascii"))
    if not isinstance(key, PublicKey):
        raise TypeError("another kind of key")
    return key


def _from_jwk(jwk: dict[str, object]) -> PublicKey:
    if "d" in jwk:
        raise ValueError("a private key")
    match jwk["kty"], jwk["crv"]:
        case "OKP", "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_coordinate(jwk["x"]))
        case "EC", "P-256":
            x, y = (int.from_bytes(_coordinate(jwk[name]), "big") for name in ("x", "y"))
            return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raise ValueError("another kind of key")


def _coordinate(value: object) -> bytes:
    """32 bytes in base64url without padding (RFC 7518, section 6.2.1; RFC 8037, section 2)."""
    if not isinstance(value, str) or not _COORDINATE.fullmatch(value):
        raise ValueError("not 32 bytes in base64url")
    return base64.urlsafe_b64decode(value + "=")


def _algorithm(key: PublicKey) -> SignatureAlgorithm:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return SignatureAlgorithm.ED25519
    if isinstance(key.curve, ec.SECP256R1):
        return SignatureAlgorithm.ECDSA_P256_SHA256
    raise ValueError("another curve")
