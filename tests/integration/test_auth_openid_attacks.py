"""ID tokens that must not be believed, whoever signed them: each ends in the same refusal."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from tests.integration.loopback import json_answer
from tests.integration.openid_front import (
    KEYS,
    TOKEN,
    USER_INFO,
    Claims,
    Forger,
    Front,
    decoded,
    encoded,
)

from headrace_auth.adapters.identity_providers.oidc import OpenIdProvider
from headrace_auth.testing.identity_providers import (
    NONCE,
    Approve,
    assert_login_fails,
    begin,
    finish,
)

Change = Callable[[Claims], Claims]


def _with(**changes: Any) -> Change:
    return lambda claims: {**claims, **changes}


def _without(name: str) -> Change:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def _ago(claim: str, seconds: float) -> Change:
    """`claim` is a time `seconds` before the forgery is signed."""
    return lambda claims: {**claims, claim: int(time.time() - seconds)}


LIES: dict[str, Change] = {
    "another nonce": _with(nonce="another"),
    "no nonce": _without("nonce"),
    "an empty nonce": _with(nonce=""),
    "several nonces": _with(nonce=[NONCE, "another"]),
    "another issuer": _with(iss="https://evil.test"),
    "the issuer with a slash": lambda claims: {**claims, "iss": claims["iss"] + "/"},
    "several issuers": lambda claims: {**claims, "iss": [claims["iss"]]},
    "no issuer": _without("iss"),
    "another audience": _with(aud="another"),
    "other audiences": _with(aud=["another", "more"]),
    "no audience": _without("aud"),
    "an empty audience": _with(aud=[]),
    "an audience in a table": lambda claims: {**claims, "aud": {claims["aud"][0]: 1}},
    "a part of the audience": lambda claims: {**claims, "aud": "x" + claims["aud"][0]},
    "more audiences and no party": lambda claims: {**claims, "aud": [*claims["aud"], "another"]},
    "another party": _with(azp="another"),
    "another party of several": lambda claims: {
        **claims,
        "aud": [*claims["aud"], "another"],
        "azp": "another",
    },
    "another audience, we as party": lambda claims: {
        **claims,
        "aud": ["another"],
        "azp": claims["aud"][0],
    },
    "expired": _ago("exp", 121),
    "expired long ago": _with(exp=0),
    "no expiry": _without("exp"),
    "expiry in words": _with(exp="tomorrow"),
    "expiry that is true": _with(exp=True),
    "expiry that is no number": _with(exp=float("nan")),
    "issued in the future": _ago("iat", -300),
    "no time of issue": _without("iat"),
    "not valid yet": _ago("nbf", -300),
    "no subject": _without("sub"),
    "an empty subject": _with(sub=""),
    "a number as subject": _with(sub=1),
    "a subject of many": _with(sub=["ada"]),
    "an endless subject": _with(sub="a" * 256),
    "a subject with a line break": _with(sub="ada\nroot"),
    "a subject beyond ASCII": _with(sub="\u0430da"),
    "another access token's hash": _with(at_hash="a" * 22),
    "a hash in a list": _with(at_hash=["a" * 22]),
}


@pytest.mark.parametrize("change", LIES.values(), ids=LIES.keys())
async def test_claims_that_are_not_for_this_login_are_refused(
    provider: OpenIdProvider, forger: Forger, approve: Approve, change: Change
) -> None:
    forger.sign_anew(change)
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


async def test_a_token_of_another_login_is_refused(
    provider: OpenIdProvider, approve: Approve
) -> None:
    code = await approve(await begin(provider))
    await assert_login_fails(finish(provider, code, nonce="of-another-login"))


async def test_an_empty_nonce_protects_nobody(
    provider: OpenIdProvider, forger: Forger, approve: Approve
) -> None:
    code = await approve(await begin(provider))
    forger.sign_anew(_with(nonce="of another login"))
    await assert_login_fails(finish(provider, code, nonce=""))


def _other_claims(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = {**json.loads(decoded(payload)), "sub": "root"}
    return f"{header}.{encoded(claims)}.{signature}"


def _unsigned(algorithm: str) -> Callable[[str], str]:
    return lambda token: f"{encoded({'alg': algorithm})}.{token.split('.')[1]}."


def _flipped(token: str) -> str:
    return token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]


TAMPERINGS: dict[str, Callable[[str], Any]] = {
    "other claims": _other_claims,
    "another signature": _flipped,
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "alg none": _unsigned("none"),
    "alg None": _unsigned("None"),
    "alg none, signature kept": lambda token: (
        encoded({"alg": "none"}) + "." + token.partition(".")[2]
    ),
    "no alg": lambda token: encoded({"kid": "x"}) + "." + token.partition(".")[2],
    "alg in a list": lambda token: encoded({"alg": ["RS256"]}) + "." + token.partition(".")[2],
    "two parts": lambda token: token.rpartition(".")[0],
    "four parts": lambda token: token + ".x",
    "beyond ASCII": lambda token: token + "\N{SNOWMAN}",
    "deep nesting": lambda token: "." + token.partition(".")[2] + "[" * 50_000,
    "empty": lambda _: "",
    "no text": lambda _: {"sub": "root"},
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS.keys())
async def test_a_token_that_was_tampered_with_is_refused(
    provider: OpenIdProvider,
    front: Front,
    forger: Forger,
    approve: Approve,
    tamper: Callable[[str], Any],
) -> None:
    forger.replace_token(tamper)
    del front.lies[KEYS]  # only the token lies
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


async def test_the_public_key_is_no_secret_to_sign_with(
    provider: OpenIdProvider, forger: Forger, approve: Approve
) -> None:
    def signing_with(secret: bytes) -> Callable[[str], str]:
        def sign(token: str) -> str:
            signed = f"{encoded({'alg': 'HS256', 'kid': 'rsa'})}.{token.split('.')[1]}"
            digest = hmac.digest(secret, signed.encode(), "sha256")
            return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

        return sign

    for secret in (forger.rsa.as_pem(private=False), json.dumps(forger.published[0]).encode()):
        forger.replace_token(signing_with(secret))
        await assert_login_fails(finish(provider, await approve(await begin(provider))))


async def test_a_published_secret_is_no_key(
    provider: OpenIdProvider, forger: Forger, approve: Approve
) -> None:
    secret = OctKey.generate_key(256)
    forger.published[:] = [{**secret.as_dict(), "kid": "oct"}]
    forger.sign_anew(key=secret, alg="HS256", kid="oct")
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


HEADERS: dict[str, dict[str, Any]] = {
    "an algorithm that is not on the list": {"alg": "RS384"},
    "an unknown key": {"kid": "unknown"},
    "a key of another type": {"kid": "ec"},
    "a number as key id": {"kid": 1},
    "an extension that must be understood": {"crit": ["exp"], "exp": 1},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
async def test_a_header_that_does_not_fit_the_key_is_refused(
    provider: OpenIdProvider,
    forger: Forger,
    approve: Approve,
    header: dict[str, Any],
) -> None:
    forger.sign_anew(**header)
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


async def test_a_key_that_the_token_brings_along_is_not_used(
    provider: OpenIdProvider, forger: Forger, approve: Approve
) -> None:
    own = RSAKey.generate_key(2048)
    forger.sign_anew(key=own, jwk=own.as_dict(private=False))
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.filterwarnings("ignore:Key size should be")
async def test_a_short_key_is_not_believed(
    provider: OpenIdProvider, forger: Forger, approve: Approve
) -> None:
    short = RSAKey.generate_key(1024)
    forger.published[:] = [{**short.as_dict(private=False), "kid": "rsa"}]
    forger.sign_anew(key=short)
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize("change", [{"use": "enc"}, {"alg": "PS256"}])
async def test_a_key_for_something_else_is_not_used(
    provider: OpenIdProvider, forger: Forger, approve: Approve, change: dict[str, str]
) -> None:
    forger.published[0].update(change)
    forger.sign_anew()
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize("kid", ["rsa", None])
async def test_with_several_keys_to_choose_from_none_is_chosen(
    provider: OpenIdProvider, forger: Forger, approve: Approve, kid: str | None
) -> None:
    other = RSAKey.generate_key(2048).as_dict(private=False)
    forger.published.append({**other, "kid": "rsa"})
    forger.sign_anew(kid=kid)
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize(
    "key_set",
    [[], {}, {"keys": None}, {"keys": ["x", None, {}]}, {"keys": [{"kty": "RSA", "kid": "rsa"}]}],
)
async def test_unusable_keys_are_nothing_to_believe(
    provider: OpenIdProvider, front: Front, forger: Forger, approve: Approve, key_set: Any
) -> None:
    front.replace(KEYS, json_answer(key_set))
    forger.sign_anew()
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize("answer", [{"sub": "root", "email": "root@acme.test"}, {}, [], "ada"])
async def test_user_info_of_somebody_else_is_refused(
    provider: OpenIdProvider, front: Front, forger: Forger, approve: Approve, answer: Any
) -> None:
    forger.sign_anew(_without("email"))
    front.replace(USER_INFO, json_answer(answer))
    await assert_login_fails(finish(provider, await approve(await begin(provider))))


@pytest.mark.parametrize(
    "changes",
    [
        {"token_type": "mac"},
        {"token_type": None},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "a\r\nX-Evil: b"},
        {"access_token": 1},
        {"expires_in": [1]},
        {"expires_in": 1e999},
        {"id_token": None},
        {"error": "invalid_grant"},
        {"error": None, "id_token": 1},
    ],
)
async def test_token_answers_that_break_the_rules_are_refused(
    provider: OpenIdProvider, front: Front, approve: Approve, changes: dict[str, Any]
) -> None:
    code = await approve(await begin(provider))
    front.lie(TOKEN, **changes)
    await assert_login_fails(finish(provider, code))


@pytest.mark.parametrize("status", [201, 307, 400, 403])
async def test_tokens_that_come_with_another_status_are_refused(
    provider: OpenIdProvider, front: Front, approve: Approve, status: int
) -> None:
    front.lies[TOKEN] = lambda answer: replace(answer, status=status)
    await assert_login_fails(finish(provider, await approve(await begin(provider))))
