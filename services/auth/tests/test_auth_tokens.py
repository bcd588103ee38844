"""Access tokens: ours are believed, and every known way to forge one is refused alike."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jose import jws

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.signing_keys import generate, unseal
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import AccessClaims, Audience, to_payload
from headrace_auth.domain.principal import Scope
from headrace_auth.ports import SealedSigningKey
from headrace_common.errors import HeadraceError, Reason, credential_invalid
from headrace_common.signed_tokens import LEEWAY, algorithm_of

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


SEALER = Sealer(b"k" * 32)


def _new_key(algorithm: str = "ES256") -> SealedSigningKey:
    return generate(algorithm, SEALER, created_at=NOW, activates_at=NOW)


def _private(key: SealedSigningKey) -> Any:
    encoded = SEALER.open(key.encrypted_private_key, key.kid)
    return serialization.load_der_private_key(encoded, password=None)


def _tokens(*keys: SealedSigningKey) -> AccessTokens:
    return AccessTokens(AUDIENCE, [unseal(key, SEALER) for key in keys])


KEY, OTHER_KEY, RSA_KEY = _new_key(), _new_key(), _new_key("RS256")
TOKENS = _tokens(KEY)
TOKEN = TOKENS.sign(CLAIMS)
PUBLIC_PEM = (
    _private(KEY)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)


def _b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _sign(
    claims: AccessClaims = CLAIMS,
    *,
    audience: Audience = AUDIENCE,
    key: SealedSigningKey = KEY,
    header: dict[str, Any] | None = None,
    algorithm: str = "ES256",
    **changes: Any,
) -> str:
    payload = {**to_payload(claims, audience), **changes}
    payload = {name: value for name, value in payload.items() if value is not ...}
    private = (
        _private(key)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
    headers = {**HEADER, "kid": KEY.kid, **(header or {})}
    headers = {name: value for name, value in headers.items() if value is not ...}
    return str(jws.sign(payload, private, headers=headers, algorithm=algorithm))


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
    "sid missing": _sign(sid=...),
    "sid is a number": _sign(sid=1),
    "client missing": _sign(client_id=...),
    "client is a list": _sign(client_id=["headrace"]),
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
        jws.sign(b"[1]", _private(KEY), headers={**HEADER, "kid": KEY.kid}, algorithm="ES256")
    ),
    "payload is not JSON": str(
        jws.sign(b"\xff", _private(KEY), headers={**HEADER, "kid": KEY.kid}, algorithm="ES256")
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
    assert caught.value.message == credential_invalid().message
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


def test_the_next_key_signs_when_its_time_comes_and_the_last_one_still_verifies() -> None:
    then, end = NOW + timedelta(minutes=10), NOW + timedelta(minutes=40)
    both = _tokens(replace(KEY, retires_at=end), replace(OTHER_KEY, activates_at=then))
    later = replace(CLAIMS, issued_at=then, expires_at=then + timedelta(minutes=30))
    before = both.sign(replace(later, issued_at=then - timedelta(microseconds=1)))
    after = both.sign(later)
    assert _kid(before) == KEY.kid
    assert _kid(after) == OTHER_KEY.kid
    assert both.verify(before, then).expires_at == both.verify(after, then).expires_at
    with pytest.raises(HeadraceError):
        TOKENS.verify(after, then)


def test_a_retired_keys_tokens_end_with_it_and_it_is_no_longer_published() -> None:
    end = NOW + timedelta(minutes=10)
    both = _tokens(replace(KEY, retires_at=end), replace(OTHER_KEY, activates_at=end))
    assert both.verify(TOKEN, end - timedelta(microseconds=1)) == CLAIMS
    assert [jwk["kid"] for jwk in both.public_jwks(NOW)] == [KEY.kid, OTHER_KEY.kid]
    with pytest.raises(HeadraceError):
        both.verify(TOKEN, end)
    assert [jwk["kid"] for jwk in both.public_jwks(end)] == [OTHER_KEY.kid]


def test_keys_are_exchanged_while_in_use() -> None:
    tokens = AccessTokens(AUDIENCE)
    with pytest.raises(HeadraceError) as caught:
        tokens.sign(CLAIMS)
    assert caught.value.reason is Reason.NOT_SERVING
    for key in (KEY, OTHER_KEY):
        tokens.use([unseal(key, SEALER)])
        assert _kid(tokens.sign(CLAIMS)) == key.kid
    with pytest.raises(HeadraceError):
        tokens.verify(TOKEN, NOW)


def test_each_type_of_key_has_its_one_algorithm() -> None:
    both = _tokens(replace(KEY, activates_at=NOW - timedelta(days=1)), RSA_KEY)
    token = both.sign(CLAIMS)
    assert jws.get_unverified_header(token) == {
        "alg": "RS256", "typ": "at+jwt", "kid": RSA_KEY.kid,
    }  # fmt: skip
    assert both.verify(token, NOW) == both.verify(TOKEN, NOW) == CLAIMS
    crossed = (
        _sign(key=RSA_KEY, header={"kid": KEY.kid}, algorithm="RS256"),
        _sign(key=KEY, header={"kid": RSA_KEY.kid}),
        _sign(key=RSA_KEY, header={"kid": RSA_KEY.kid}, algorithm="RS512"),
        _sign(key=RSA_KEY, header={"kid": RSA_KEY.kid, "alg": "ES256"}, algorithm="RS256"),
    )
    for forgery in crossed:
        with pytest.raises(HeadraceError):
            both.verify(forgery, NOW)


def test_rsa_keys_have_3072_bits() -> None:
    assert _private(RSA_KEY).key_size == 3072
    assert set(RSA_KEY.public_jwk) == {"kty", "n", "e", "kid", "use", "alg"}
    assert algorithm_of(RSA_KEY.public_jwk) == "RS256"


def test_a_key_is_only_of_the_algorithm_that_it_was_made_for() -> None:
    with pytest.raises(HeadraceError, match="not one for RS256"):
        unseal(replace(KEY, algorithm="RS256"), SEALER)
    with pytest.raises(ValueError, match="HS256"):
        _new_key("HS256")


def _kid(token: str) -> str:
    return str(jws.get_unverified_header(token)["kid"])


def test_a_token_has_the_members_of_rfc_9068() -> None:
    header = jws.get_unverified_header(TOKEN)
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}
    payload = json.loads(jws.get_unverified_claims(TOKEN))
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope"} <= set(payload)
    assert payload["exp"] - payload["iat"] == 1800


@pytest.mark.parametrize("client_id", ["", "third-party"])
def test_a_token_names_its_session_and_its_client(client_id: str) -> None:
    claims = replace(CLAIMS, session_id="session-1", client_id=client_id)
    token = TOKENS.sign(claims)
    assert TOKENS.verify(token, NOW) == claims
    payload = json.loads(jws.get_unverified_claims(token))
    assert (payload["sid"], payload["client_id"]) == ("session-1", client_id or "headrace")


def test_claims_with_another_role_are_another_token() -> None:
    assert TOKENS.verify(TOKENS.sign(replace(CLAIMS, role="member")), NOW).role == "member"


def test_published_keys_have_no_private_member() -> None:
    (jwk,) = TOKENS.public_jwks(NOW)
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_stored_key_opens_only_under_its_own_encryption_key_and_name() -> None:
    stored = KEY
    unseal(stored, SEALER)
    for key, sealer in (
        (stored, Sealer(b"x" * 32)),
        (replace(stored, kid="another"), SEALER),
        (replace(stored, encrypted_private_key=b"short"), SEALER),
    ):
        with pytest.raises(HeadraceError, match="HEADRACE_AUTH_KEY_ENCRYPTION_KEY"):
            unseal(key, sealer)
