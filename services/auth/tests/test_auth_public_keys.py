"""Which public keys may be registered for signing requests: sound Ed25519 and P-256 ones alone."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.crypto import edwards25519
from headrace_auth.crypto.message_signatures import SignatureAlgorithm, parse_public_key
from headrace_common.errors import HeadraceError, Reason

SPKI = PublicFormat.SubjectPublicKeyInfo
ED25519_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(b"e" * 32)
P256_PRIVATE = ec.derive_private_key(0x1234567890, ec.SECP256R1())
ED25519, P256 = ED25519_PRIVATE.public_key(), P256_PRIVATE.public_key()
NUMBERS = P256.public_numbers()
# The start of every SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, section 10.1).
ED25519_DER_PREFIX = bytes.fromhex("302a300506032b6570032100")


def _b64url(data: bytes | int) -> str:
    raw = data.to_bytes(32, "big") if isinstance(data, int) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _pem(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, SPKI).decode())


def _private_pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


ED25519_JWK = {"kty": "OKP", "crv": "Ed25519", "x": _b64url(ED25519.public_bytes_raw())}
P256_JWK = {"kty": "EC", "crv": "P-256", "x": _b64url(NUMBERS.x), "y": _b64url(NUMBERS.y)}
LONG = {"kid": "k" * 2048}


def _jwk(jwk: dict[str, Any], **changes: Any) -> str:
    return json.dumps({**jwk, **changes})


def _compressed(key: ec.EllipticCurvePublicKey) -> str:
    """PEM with the point in its short form (RFC 5480, section 2.2)."""
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    der = b"\x30\x39" + algorithm + b"\x03\x22\x00" + point
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----"


def _assert_refused(text: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        parse_public_key(text)
    error = caught.value
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "public_key")
    assert error.message == (
        "public_key: must be an Ed25519 or P-256 public key in PEM or as a JWK"
    )
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize(
    "text",
    [
        _pem(ED25519),
        _pem(ED25519).strip(),
        "\n  " + _pem(ED25519).replace("\n", "\r\n") + "\n",
        _jwk(ED25519_JWK),
        _jwk(ED25519_JWK, kid="mine", use="sig", alg="EdDSA"),
    ],
)
def test_every_spelling_of_an_ed25519_key_is_the_same_key(text: str) -> None:
    expected = ED25519_DER_PREFIX + ED25519.public_bytes_raw()
    assert parse_public_key(text) == (SignatureAlgorithm.ED25519, expected)


@pytest.mark.parametrize(
    "text", [_pem(P256), _compressed(P256), _jwk(P256_JWK), _jwk(P256_JWK, alg="ES256")]
)
def test_every_spelling_of_a_p256_key_is_the_same_key(text: str) -> None:
    expected = P256.public_bytes(Encoding.DER, SPKI)
    assert parse_public_key(text) == (SignatureAlgorithm.ECDSA_P256_SHA256, expected)


@pytest.mark.parametrize(
    "text",
    [
        _pem(rsa.generate_private_key(65537, 2048).public_key()),
        _pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        _pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        _pem(ed448.Ed448PrivateKey.generate().public_key()),
        _pem(x25519.X25519PrivateKey.generate().public_key()),
        _jwk({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        _jwk({"kty": "oct", "k": _b64url(b"s" * 32)}),
        _jwk(P256_JWK, crv="P-384"),
        _jwk(P256_JWK, crv="secp256k1"),
        _jwk(ED25519_JWK, crv="X25519"),
        _jwk(ED25519_JWK, kty="EC"),
        _jwk(P256_JWK, kty="OKP"),
    ],
)
def test_another_kind_of_key_is_refused(text: str) -> None:
    _assert_refused(text)


@pytest.mark.parametrize(
    "text",
    [
        _private_pem(ED25519_PRIVATE),
        _private_pem(P256_PRIVATE),
        _private_pem(P256_PRIVATE, PrivateFormat.TraditionalOpenSSL),
        _private_pem(P256_PRIVATE) + _pem(P256),
        _pem(P256) + _private_pem(P256_PRIVATE),
        _jwk(ED25519_JWK, d=_b64url(b"e" * 32)),
        _jwk(P256_JWK, d=_b64url(0x1234567890)),
    ],
)
def test_a_private_key_is_refused_and_not_repeated(text: str) -> None:
    _assert_refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[]",
        "null",
        "{" * 2000,
        '{"a":' * 300,
        '{"kty":["EC"],"crv":{}}',
        _jwk(P256_JWK, x=1),
        _jwk(P256_JWK, x=None),
        _jwk(P256_JWK, x=""),
        _jwk(P256_JWK, x=P256_JWK["x"] + "="),
        _jwk(P256_JWK, x=P256_JWK["x"][:-1]),
        _jwk(P256_JWK, x="é" * 43),
        _jwk(ED25519_JWK, x=ED25519_JWK["x"] + "A"),
        _jwk({"kty": "EC", "crv": "P-256", "x": P256_JWK["x"]}),
        _jwk(ED25519_JWK, **LONG),
        _pem(ED25519) * 2,
        _pem(ED25519).replace("PUBLIC KEY", "CERTIFICATE"),
        _pem(ED25519).replace("MCow", "MCox"),
        "header\n" + _pem(ED25519),
        _pem(ED25519) + "é",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        base64.b64encode(ED25519.public_bytes_raw()).decode(),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== me",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    _assert_refused(text)


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    _assert_refused(text)
    _assert_refused(f"-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----")
    _assert_refused("{" + text)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (NUMBERS.x, NUMBERS.y + 1), (2**256 - 1, NUMBERS.y)])
def test_a_p256_point_off_the_curve_is_refused(x: int, y: int) -> None:
    _assert_refused(_jwk(P256_JWK, x=_b64url(x), y=_b64url(y)))


# The y of all points whose order divides 8; the last two are those of order 8 itself.
SMALL_ORDER = [
    0,
    1,
    edwards25519.P - 1,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
]


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("y", [*SMALL_ORDER, edwards25519.P, edwards25519.P + 1])
def test_an_ed25519_key_under_which_anybody_could_sign_is_refused(y: int, sign: int) -> None:
    raw = (y | sign).to_bytes(32, "little")
    _assert_refused(_jwk(ED25519_JWK, x=_b64url(raw)))
    _assert_refused(_pem(ed25519.Ed25519PublicKey.from_public_bytes(raw)))


@given(st.binary(min_size=32, max_size=32))
def test_every_ed25519_key_that_has_a_private_half_is_taken(seed: bytes) -> None:
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    assert parse_public_key(_pem(public))[0] is SignatureAlgorithm.ED25519


def test_32_bytes_that_are_no_point_are_refused() -> None:
    refused = [y for y in range(2, 40) if not edwards25519.is_sound(y.to_bytes(32, "little"))]
    # By Euler's criterion on (y^2 - 1) / (d y^2 + 1), worked out apart from the code under test.
    d = -121665 * pow(121666, -1, edwards25519.P)
    squares = {y: (y * y - 1) * (d * y * y + 1) for y in range(2, 40)}
    p = edwards25519.P
    assert refused == [y for y, value in squares.items() if pow(value, (p - 1) // 2, p) == p - 1]
    assert refused
    _assert_refused(_jwk(ED25519_JWK, x=_b64url(refused[0].to_bytes(32, "little"))))


def test_a_second_spelling_of_an_ed25519_key_is_refused() -> None:
    y = next(y for y in range(2, 19) if edwards25519.is_sound(y.to_bytes(32, "little")))
    raw = (y + edwards25519.P).to_bytes(32, "little")
    _assert_refused(_jwk(ED25519_JWK, x=_b64url(raw)))
