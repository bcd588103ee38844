"""Signatures of requests: RFC 9421's own examples verify, and nothing else passes for one."""

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.crypto.message_signatures import SignatureAlgorithm, parse_public_key, verify

ED25519 = SignatureAlgorithm.ED25519
ECDSA = SignatureAlgorithm.ECDSA_P256_SHA256
HMAC = SignatureAlgorithm.HMAC_SHA256
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# RFC 9421, appendices B.1.3, B.1.4, B.1.5, and the examples B.2.4, B.2.6 and B.2.5.
RFC_P256_KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
"""
RFC_ED25519_KEY = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
"""
RFC_SECRET = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
B_2_4 = (
    '"@status": 200\n'
    '"content-type": application/json\n'
    '"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWd'
    "XymyU0rjJuahq4l5aGgfLQ==:\n"
    '"content-length": 23\n'
    '"@signature-params": ("@status" "content-type" "content-digest" "content-length")'
    ';created=1618884473;keyid="test-key-ecc-p256"',
    "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
)
B_2_5 = (
    '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
    '"@authority": example.com\n'
    '"content-type": application/json\n'
    '"@signature-params": ("date" "@authority" "content-type")'
    ';created=1618884473;keyid="test-shared-secret"',
    "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
)
B_2_6 = (
    '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
    '"@method": POST\n'
    '"@path": /foo\n'
    '"@authority": example.com\n'
    '"content-type": application/json\n'
    '"content-length": 18\n'
    '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
)

ED25519_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(b"e" * 32)
P256_PRIVATE = ec.derive_private_key(0x1234567890, ec.SECP256R1())
SECRET = b"s" * 32
MATERIAL = {
    ED25519: ED25519_PRIVATE.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ),
    ECDSA: P256_PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    HMAC: SECRET,
}


def _raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _mac(secret: bytes, base: bytes) -> bytes:
    return hmac.digest(secret, base, hashlib.sha256)


def _sign(algorithm: SignatureAlgorithm, base: bytes) -> bytes:
    if algorithm is ED25519:
        return ED25519_PRIVATE.sign(base)
    if algorithm is HMAC:
        return _mac(SECRET, base)
    return _raw(*decode_dss_signature(P256_PRIVATE.sign(base, ec.ECDSA(hashes.SHA256()))))


algorithms = pytest.mark.parametrize("algorithm", list(SignatureAlgorithm))


@pytest.mark.parametrize(
    ("algorithm", "material", "example"),
    [
        (ECDSA, parse_public_key(RFC_P256_KEY)[1], B_2_4),
        (HMAC, RFC_SECRET, B_2_5),
        (ED25519, parse_public_key(RFC_ED25519_KEY)[1], B_2_6),
    ],
    ids=["B.2.4", "B.2.5", "B.2.6"],
)
def test_the_examples_of_the_rfc_verify(
    algorithm: SignatureAlgorithm, material: bytes, example: tuple[str, str]
) -> None:
    base, signature = example[0].encode(), base64.b64decode(example[1])
    assert verify(algorithm, material, base, signature)
    assert verify(algorithm, material, base, signature, named=algorithm.value)
    assert not verify(algorithm, material, base + b"\n", signature)


@algorithms
@given(base=st.binary(max_size=200), other=st.binary(max_size=200))
def test_a_signature_verifies_over_what_was_signed_alone(
    algorithm: SignatureAlgorithm, base: bytes, other: bytes
) -> None:
    signature = _sign(algorithm, base)
    assert verify(algorithm, MATERIAL[algorithm], base, signature)
    assert verify(algorithm, MATERIAL[algorithm], other, signature) is (other == base)


@algorithms
@given(bit=st.integers(0, 8 * 64 - 1))
def test_one_changed_bit_of_a_signature_is_too_many(
    algorithm: SignatureAlgorithm, bit: int
) -> None:
    signature = bytearray(_sign(algorithm, b"base"))
    signature[bit // 8 % len(signature)] ^= 1 << bit % 8
    assert not verify(algorithm, MATERIAL[algorithm], b"base", bytes(signature))


@algorithms
@given(signature=st.binary(max_size=150))
def test_no_other_bytes_are_a_signature_and_none_raise(
    algorithm: SignatureAlgorithm, signature: bytes
) -> None:
    assert not verify(algorithm, MATERIAL[algorithm], b"base", signature)


@algorithms
def test_a_signature_of_another_length_is_none(algorithm: SignatureAlgorithm) -> None:
    signature = _sign(algorithm, b"base")
    padded = signature[:32] + b"\0" + signature[32:]  # the same r and s
    for other in (b"", signature[:-1], signature + b"\0", b"\0" + signature, padded):
        assert not verify(algorithm, MATERIAL[algorithm], b"base", other)


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 0), (0, 1), (1, 0), (P256_ORDER, P256_ORDER), (2**256 - 1, 2**256 - 1), (1, 1)],
)
def test_r_and_s_out_of_range_are_no_signature(r: int, s: int) -> None:
    assert not verify(ECDSA, MATERIAL[ECDSA], b"base", _raw(r, s))


def test_a_signature_in_der_is_none() -> None:
    der = P256_PRIVATE.sign(b"base", ec.ECDSA(hashes.SHA256()))
    assert not verify(ECDSA, MATERIAL[ECDSA], b"base", der)


@algorithms
@pytest.mark.parametrize("named", [*SignatureAlgorithm, "rsa-pss-sha512", "none", "ED25519"])
def test_a_named_algorithm_must_be_the_keys(algorithm: SignatureAlgorithm, named: str) -> None:
    signature = _sign(algorithm, b"base")
    accepted = verify(algorithm, MATERIAL[algorithm], b"base", signature, named=named)
    assert accepted is (named == algorithm)


@algorithms
@pytest.mark.parametrize("other", list(SignatureAlgorithm))
def test_a_key_serves_its_own_algorithm_alone(
    algorithm: SignatureAlgorithm, other: SignatureAlgorithm
) -> None:
    accepted = verify(algorithm, MATERIAL[other], b"base", _sign(other, b"base"))
    assert accepted is (other is algorithm)


@pytest.mark.parametrize("public", [ED25519, ECDSA])
def test_a_public_key_is_no_secret(public: SignatureAlgorithm) -> None:
    forged = _mac(MATERIAL[public], b"base")
    assert not verify(HMAC, MATERIAL[public], b"base", forged)


@pytest.mark.parametrize("secret", [b"", b"short", b"s" * 31])
def test_a_secret_that_can_be_guessed_is_none(secret: bytes) -> None:
    assert not verify(HMAC, secret, b"base", _mac(secret, b"base"))


@pytest.mark.parametrize("algorithm", [ED25519, ECDSA])
@pytest.mark.parametrize("material", [b"", b"\0", SECRET, MATERIAL[ED25519][:-1]])
def test_under_what_is_no_key_nothing_verifies(
    algorithm: SignatureAlgorithm, material: bytes
) -> None:
    assert not verify(algorithm, material, b"base", _sign(algorithm, b"base"))
