"""Who signs: a key of the process for a while, vouched for by the platform's first key."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from headrace_common.testing.clock import FakeClock
from headrace_inference.adapters.answer_signer import Ed25519AnswerSigner
from headrace_inference.domain.attestation import Statement
from headrace_inference.domain.models import ModelVersion

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATEMENT = Statement("req_1", ModelVersion("model", "d" * 64), "a" * 64, "b" * 64)
SEEDS = (b"a" * 32, b"b" * 32)


def signer(clock: FakeClock) -> Ed25519AnswerSigner:
    return Ed25519AnswerSigner(SEEDS, clock, key_seconds=3600)


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(token: str, public_key: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWS; raises InvalidSignature."""
    signed, signature = token.rsplit(".", 1)
    Ed25519PublicKey.from_public_bytes(public_key).verify(decoded(signature), signed.encode())
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    return header, claims


def test_the_statement_is_signed_by_the_key_that_the_certificate_names() -> None:
    signing = signer(FakeClock(NOW))
    first, second = signing.public_keys()
    signature = signing.sign(STATEMENT)
    header, certificate = read(signature.certificate, first.public_key)
    assert header == {"alg": "EdDSA", "kid": first.kid, "typ": "headrace-answer-key+jws"}
    assert certificate["exp"] - certificate["iat"] == 3600
    header, claims = read(signature.statement, decoded(certificate["cnf"]["jwk"]["x"]))
    assert header["typ"] == "headrace-answer+jws"
    assert claims == {
        "iat": int(NOW.timestamp()),
        "request_id": "req_1",
        "model": "model",
        "model_digest": "d" * 64,
        "request_digest": "a" * 64,
        "answer_digest": "b" * 64,
    }
    with pytest.raises(InvalidSignature):
        read(signature.certificate, second.public_key)


def test_a_key_id_is_the_thumbprint() -> None:
    (key, _) = signer(FakeClock(NOW)).public_keys()
    x = base64.urlsafe_b64encode(key.public_key).rstrip(b"=").decode()
    thumbprint = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
    assert decoded(key.kid) == thumbprint


def test_each_process_has_a_key_of_its_own_and_one_platform_vouches_for_both() -> None:
    one, other = signer(FakeClock(NOW)), signer(FakeClock(NOW))
    assert one.public_keys() == other.public_keys()
    assert key_of(one) != key_of(other)


def test_a_key_signs_until_its_certificate_ends_and_then_another_does() -> None:
    clock = FakeClock(NOW)
    signing = signer(clock)
    first = key_of(signing)
    clock.advance(3599)
    assert key_of(signing) == first
    clock.advance(1)
    assert key_of(signing) != first


def key_of(signing: Ed25519AnswerSigner) -> str:
    """The process's public key, once its certificate and its signature are found to be good."""
    signature = signing.sign(STATEMENT)
    _, certificate = read(signature.certificate, signing.public_keys()[0].public_key)
    key = str(certificate["cnf"]["jwk"]["x"])
    _, claims = read(signature.statement, decoded(key))
    assert certificate["iat"] <= claims["iat"] <= certificate["exp"]
    return key
