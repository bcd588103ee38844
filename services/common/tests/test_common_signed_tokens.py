"""Access tokens: the right one passes, and every way of forging one that we know does not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from jose.utils import base64url_encode

from headrace_common.signed_tokens import (
    InvalidTokenError,
    PublicKey,
    TokenVerifier,
    UnknownKeyError,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADERS = {"typ": "at+jwt", "kid": "k1"}


def _private_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _public(pem: str) -> dict[str, Any]:
    public: dict[str, Any] = jwk.construct(pem, "ES256").public_key().to_dict()
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in public.items()}


OURS = _private_pem()
THEIRS = _private_pem()


@pytest.fixture
def verifier() -> TokenVerifier:
    key = PublicKey("k1", _public(OURS))
    return TokenVerifier([key], issuer="https://headrace", audience="api")


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": "https://headrace",
        "aud": "api",
        "sub": "u1",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
    }
    return {**claims, **changes}


def _sign(claims: dict[str, Any], key: str = OURS, **headers: Any) -> str:
    token: str = jws.sign(claims, key, headers={**HEADERS, **headers}, algorithm="ES256")
    return token


def test_an_authentic_token_passes_until_it_expires(verifier: TokenVerifier) -> None:
    token = _sign(_claims())
    assert verifier.verify(token, NOW)["sub"] == "u1"
    assert verifier.verify(token, NOW + timedelta(seconds=59.9))
    with pytest.raises(InvalidTokenError):
        verifier.verify(token, NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere"},
        {"aud": "another"},
        {"aud": ["api"]},
        {"exp": int(NOW.timestamp())},
        {"exp": "never"},
        {"exp": None},
        {"exp": True},
        {"exp": 10**30},
        {"iat": int(NOW.timestamp()) + 31},
        {"nbf": int(NOW.timestamp()) + 31},
        {"iat": float("nan")},
    ],
)
def test_signed_but_wrong_claims_are_refused(
    verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.verify(_sign(_claims(**changes)), NOW)


@pytest.mark.parametrize("missing", ["iss", "aud", "iat", "exp"])
def test_missing_claims_are_refused(verifier: TokenVerifier, missing: str) -> None:
    claims = _claims()
    del claims[missing]
    with pytest.raises(InvalidTokenError):
        verifier.verify(_sign(claims), NOW)


def _encode(part: Any) -> str:
    encoded: bytes = base64url_encode(json.dumps(part).encode())
    return encoded.decode()


def _with_algorithm(algorithm: str, signature: str) -> str:
    return f"{_encode({**HEADERS, 'alg': algorithm})}.{_encode(_claims())}.{signature}"


def _hs256_with_the_public_key() -> str:
    public = jwk.construct(OURS, "ES256").public_key().to_pem().decode()
    header, payload = _encode({**HEADERS, "alg": "HS256"}), _encode(_claims())
    secret = jwk.construct(base64url_encode(public.encode()).decode(), "HS256")
    signature = secret.sign(f"{header}.{payload}".encode())
    return f"{header}.{payload}.{base64url_encode(signature).decode()}"


FORGED = {
    "another key": _sign(_claims(), THEIRS),
    "unknown kid": _sign(_claims(), kid="k2"),
    "kid is no text": _sign(_claims(), kid=["k1"]),
    "another type": _sign(_claims(), typ="JWT"),
    "critical extension": _sign(_claims(), crit=["b64"]),
    "alg none": _with_algorithm("none", "AA"),
    "alg none, no signature": _with_algorithm("none", ""),
    "HS256 with the public key": _hs256_with_the_public_key(),
    "truncated": _sign(_claims())[:-4],
    "payload exchanged": ".".join(
        [
            _sign(_claims()).split(".")[0],
            _encode(_claims(sub="root")),
            _sign(_claims()).split(".")[2],
        ]
    ),
    "padded": _sign(_claims()) + "=",
    "empty": "",
    "not ASCII": "é.é.é",
    "too long": "a" * 5000,
    "payload nested deeply": f"{_encode(HEADERS)}.{'[' * 2000}.AA",
    "header nested deeply": base64url_encode(b"[" * 1200).decode() + ".e30.YWJj",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_tokens_are_refused(verifier: TokenVerifier, name: str) -> None:
    with pytest.raises(InvalidTokenError):
        verifier.verify(FORGED[name], NOW)


def test_an_unknown_key_is_told_apart_from_a_forgery(verifier: TokenVerifier) -> None:
    with pytest.raises(UnknownKeyError):
        verifier.verify(FORGED["unknown kid"], NOW)
    for name in FORGED.keys() - {"unknown kid"}:
        with pytest.raises(InvalidTokenError) as caught:
            verifier.verify(FORGED[name], NOW)
        assert not isinstance(caught.value, UnknownKeyError)


def test_a_header_that_was_seen_helps_no_forgery(verifier: TokenVerifier) -> None:
    good = _sign(_claims())
    verifier.verify(good, NOW)
    header, payload, signature = good.split(".")
    for token in (
        f"{header}.{_encode(_claims(sub='root'))}.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        _sign(_claims(), THEIRS),
    ):
        with pytest.raises(InvalidTokenError):
            verifier.verify(token, NOW)
    assert verifier.verify(good, NOW)["sub"] == "u1"


def test_what_a_key_signed_ends_when_it_retires() -> None:
    key = PublicKey("k1", _public(OURS), retires_at=NOW + timedelta(seconds=30))
    verifier = TokenVerifier([key], issuer="https://headrace", audience="api")
    token = _sign(_claims())
    verifier.verify(token, NOW + timedelta(seconds=29))
    with pytest.raises(InvalidTokenError):
        verifier.verify(token, NOW + timedelta(seconds=30))


def test_keys_of_other_types_are_ignored() -> None:
    others = [{"kty": "OKP", "crv": "Ed25519"}, {"kty": "oct", "k": "AAAA"}, {}]
    keys = [PublicKey(f"o{n}", other) for n, other in enumerate(others)]
    ours = PublicKey("k1", _public(OURS))
    verifier = TokenVerifier([*keys, ours], issuer="https://headrace", audience="api")
    assert verifier.verify(_sign(_claims()), NOW)["sub"] == "u1"
    with pytest.raises(UnknownKeyError):
        verifier.verify(_sign(_claims(), kid="o1"), NOW)
