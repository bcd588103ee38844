"""Access tokens: ours are believed, and every known way to forge one is refused alike."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jose import jws

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.signing_keys import SigningKey, generate, unseal
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import AccessClaims, Audience, to_payload
from headrace_auth.domain.principal import Scope
from headrace_common.errors import HeadraceError, Reason
from headrace_common.signed_tokens import LEEWAY

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AUDIENCE = Audience("https://headrace.test", "headrace")
CLAIMS = AccessClaims(
    "token-1",
    "user-1",
    "organisation-1",
    "owner",
    frozenset(Scope),
    3,
    NOW,
    NOW + timedelta(minutes=30),
)
HEADER = {"typ": "at+jwt"}
Forge = Callable[[SigningKey], str]


def _new_key() -> SigningKey:
    sealer = Sealer(b"k" * 32)
    return unseal(generate(sealer, NOW), sealer)


KEY, OTHER_KEY = _new_key(), _new_key()
TOKENS = AccessTokens([KEY], AUDIENCE)
TOKEN = TOKENS.sign(CLAIMS)
PUBLIC_PEM = KEY.private_key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def _b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _sign(
    claims: AccessClaims = CLAIMS,
    *,
    audience: Audience = AUDIENCE,
    key: SigningKey = KEY,
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    payload = {**to_payload(claims, audience), **changes}
    payload = {name: value for name, value in payload.items() if value is not ...}
    private = key.private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    headers = {**HEADER, "kid": KEY.kid, **(header or {})}
    headers = {name: value for name, value in headers.items() if value is not ...}
    return str(jws.sign(payload, private, headers=headers, algorithm="ES256"))


def _hmac_with(secret: bytes, algorithm: str = "HS256") -> str:
    header = _b64({"alg": algorithm, "typ": "at+jwt", "kid": KEY.kid})
    signing_input = f"{header}.{_b64(to_payload(CLAIMS, AUDIENCE))}"
    return (
        f"{signing_input}.{_b64(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"
    )


def _unsigned(algorithm: str, signature: str) -> str:
    header = _b64({"alg": algorithm, "typ": "at+jwt", "kid": KEY.kid})
    return f"{header}.{_b64(to_payload(CLAIMS, AUDIENCE))}.{signature}"


def _with_payload(payload: dict[str, Any]) -> str:
    header, _, signature = TOKEN.split(".")
    return f"{header}.{_b64(payload)}.{signature}"


OWN_JWK = {**OTHER_KEY.public_jwk, "kid": "theirs"}
FORGERIES = {
    "empty": "",
    "dots": "..",
    "not base64": "a.b.c",
    "alg none": _unsigned("none", ""),
    "alg none with a signature": _unsigned("none", TOKEN.split(".")[2]),
    "alg None in capitals": _unsigned("NONE", _b64(b"x")),
    "HS256 with the public PEM": _hmac_with(PUBLIC_PEM),
    "HS256 with the public JWK": _hmac_with(json.dumps(KEY.public_jwk).encode()),
    "HS256 with nothing": _hmac_with(b""),
    "ES256 in name, HMAC in fact": _hmac_with(PUBLIC_PEM, "ES256"),
    "another key under our kid": _sign(key=OTHER_KEY),
    "another key under its own kid": _sign(key=OTHER_KEY, header={"kid": OTHER_KEY.kid}),
    "its own key in the header": _sign(key=OTHER_KEY, header={"kid": "theirs", "jwk": OWN_JWK}),
    "kid missing": _sign(header={"kid": ...}),
    "kid is a number": _sign(header={"kid": 1}),
    "kid is a list": _sign(header={"kid": [KEY.kid]}),
    "kid is a path": _sign(header={"kid": "../../dev/null"}),
    "typ JWT": _sign(header={"typ": "JWT"}),
    "crit": _sign(header={"crit": ["b64"], "b64": False}),
    "wrong iss": _sign(iss="https://evil.test"),
    "iss missing": _sign(iss=...),
    "wrong aud": _sign(aud="another"),
    "aud as a list": _sign(aud=[AUDIENCE.audience, "another"]),
    "aud missing": _sign(aud=...),
    "expired now": _sign(exp=int(NOW.timestamp())),
    "expired long ago": _sign(exp=1),
    "exp missing": _sign(exp=...),
    "exp as text": _sign(exp="9999999999"),
    "exp as float": _sign(exp=9.9e9),
    "exp true": _sign(exp=True),
    "exp beyond time": _sign(exp=10**30),
    "iat in the future": _sign(iat=int((NOW + LEEWAY).timestamp()) + 1),
    "iat missing": _sign(iat=...),
    "nbf in the future": _sign(nbf=int((NOW + LEEWAY).timestamp()) + 1),
    "sub missing": _sign(sub=...),
    "sub is a number": _sign(sub=1),
    "jti missing": _sign(jti=...),
    "org missing": _sign(org=...),
    "token version missing": _sign(token_version=...),
    "token version true": _sign(token_version=True),
    "unknown scope": _sign(scope="llm:invoke everything"),
    "scope as a list": _sign(scope=["llm:invoke"]),
    "payload changed": _with_payload({**to_payload(CLAIMS, AUDIENCE), "sub": "user-2"}),
    "truncated": TOKEN[:-10],
    "no signature": TOKEN.rpartition(".")[0] + ".",
    "four parts": TOKEN + ".x",
    "trailing newline": TOKEN + "\n",
    "leading space": " " + TOKEN,
    "padding": TOKEN + "==",
    "junk that base64 decoders skip": TOKEN.replace(".", "!.", 1),
    "oversized": TOKEN + "A" * 5000,
    "oversized header": _sign(header={"x": "A" * 5000})[:-1],
    "signature of zeros": TOKEN.rpartition(".")[0] + "." + _b64(bytes(64)),
    "payload is a list": str(
        jws.sign(b"[1]", KEY.private_key, headers={**HEADER, "kid": KEY.kid}, algorithm="ES256")
    ),
    "payload is not JSON": str(
        jws.sign(b"\xff", KEY.private_key, headers={**HEADER, "kid": KEY.kid}, algorithm="ES256")
    ),
    "header is a list": f"{_b64(b'[]')}.{TOKEN.split('.', 1)[1]}",
    "header nested deep": f"{_b64(b'[' * 2500)}.{_b64(b'x')}.{_b64(b'x')}",
}


def test_a_token_says_what_was_signed() -> None:
    assert TOKENS.verify(TOKEN, NOW) == CLAIMS


def test_the_forging_tools_of_this_test_can_make_a_good_token() -> None:
    assert TOKENS.verify(_sign(), NOW) == CLAIMS
    assert TOKENS.verify(_sign(nbf=int(NOW.timestamp())), NOW) == CLAIMS


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_forgeries_are_refused_alike(forgery: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        TOKENS.verify(forgery, NOW)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    assert caught.value.message == "the credential is not valid"
    assert caught.value.param is None


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TOKEN) - 1))
    character = data.draw(st.sampled_from("ABCDabcd0189-_.=~ "))
    assume(character != TOKEN[place])
    with pytest.raises(HeadraceError):
        TOKENS.verify(TOKEN[:place] + character + TOKEN[place + 1 :], NOW)


@given(st.text(alphabet="eyJhbGciOiJ.-_ \0\xff"))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        TOKENS.verify(text, NOW)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID


def test_a_token_lives_from_a_little_before_iat_until_exp() -> None:
    TOKENS.verify(TOKEN, NOW - LEEWAY)
    TOKENS.verify(TOKEN, CLAIMS.expires_at - timedelta(microseconds=1))
    for moment in (NOW - LEEWAY - timedelta(microseconds=1), CLAIMS.expires_at):
        with pytest.raises(HeadraceError):
            TOKENS.verify(TOKEN, moment)


def test_the_newest_key_signs_and_older_ones_still_verify() -> None:
    both = AccessTokens([OTHER_KEY, KEY], AUDIENCE)
    assert both.verify(TOKEN, NOW) == CLAIMS
    newer = both.sign(CLAIMS)
    assert jws.get_unverified_header(newer)["kid"] == OTHER_KEY.kid
    with pytest.raises(HeadraceError):
        TOKENS.verify(newer, NOW)


def test_a_token_has_the_members_of_rfc_9068() -> None:
    header = jws.get_unverified_header(TOKEN)
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}
    payload = json.loads(jws.get_unverified_claims(TOKEN))
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope"} <= set(payload)
    assert payload["exp"] - payload["iat"] == 1800


def test_claims_with_another_role_are_another_token() -> None:
    assert TOKENS.verify(TOKENS.sign(replace(CLAIMS, role="member")), NOW).role == "member"


def test_published_keys_have_no_private_member() -> None:
    (jwk,) = TOKENS.public_jwks
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_stored_key_opens_only_under_its_own_encryption_key_and_name() -> None:
    stored = generate(Sealer(b"k" * 32), NOW)
    unseal(stored, Sealer(b"k" * 32))
    for key, sealer in (
        (stored, Sealer(b"x" * 32)),
        (replace(stored, kid="another"), Sealer(b"k" * 32)),
        (replace(stored, encrypted_private_key=b"short"), Sealer(b"k" * 32)),
    ):
        with pytest.raises(HeadraceError, match="HEADRACE_AUTH_KEY_ENCRYPTION_KEY"):
            unseal(key, sealer)
