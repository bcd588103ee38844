"""Access tokens that are not what they say: all of them get the same 401."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from tests.security.world import World

from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.signing_keys import unseal
from headrace_auth.testing.directory import AUDITOR, MEMBER, OWNER
from headrace_common.signed_tokens import TOKEN_TYPE
from headrace_common.testing.clock import FakeClock

Forge = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], str]


def _encode(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def _unsigned(header: dict[str, Any], claims: dict[str, Any], _key: dict[str, Any]) -> str:
    return f"{_encode({**header, 'alg': 'none'})}.{_encode(claims)}."


def _hmac_with(secret: Callable[[dict[str, Any]], bytes]) -> Forge:
    """HS256 keyed with something public (RFC 8725, section 2.1)."""

    def forge(header: dict[str, Any], claims: dict[str, Any], key: dict[str, Any]) -> str:
        body = f"{_encode({**header, 'alg': 'HS256'})}.{_encode(claims)}"
        return f"{body}.{_encode(hmac.digest(secret(key), body.encode(), hashlib.sha256))}"

    return forge


def _pem(key: dict[str, Any]) -> bytes:
    pem: bytes = jwk.construct(key, "ES256").to_pem()
    return pem


def _own_key(header: dict[str, Any], claims: dict[str, Any], _key: dict[str, Any]) -> str:
    private = ec.generate_private_key(ec.SECP256R1())
    return str(jws.sign(claims, private, headers=header, algorithm="ES256"))


def _own_key_in_header(header: dict[str, Any], claims: dict[str, Any], _key: dict[str, Any]) -> str:
    """The header brings its own verification key (CVE-2018-0114's kind)."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own = {name: str(value) for name, value in jwk.construct(public, "ES256").to_dict().items()}
    return str(jws.sign(claims, private, headers={**header, "jwk": own}, algorithm="ES256"))


FORGERIES: dict[str, Forge] = {
    "unsigned": _unsigned,
    "HS256 with the public key as JSON": _hmac_with(lambda key: json.dumps(key).encode()),
    "HS256 with the public key as PEM": _hmac_with(_pem),
    "HS256 with nothing": _hmac_with(lambda _: b""),
    "another key": _own_key,
    "a key of its own in the header": _own_key_in_header,
}
CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "truncated": lambda parts: [parts[0], parts[1], parts[2][:-10]],
    "without signature": lambda parts: [parts[0], parts[1], ""],
    "two parts": lambda parts: parts[:2],
    "four parts": lambda parts: [*parts, parts[2]],
    "another payload": lambda parts: [parts[0], _encode(_decode(parts[1]) | {"a": 1}), parts[2]],
    "another kid": lambda parts: [_encode(_decode(parts[0]) | {"kid": "x"}), *parts[1:]],
    "another type": lambda parts: [_encode(_decode(parts[0]) | {"typ": "JWT"}), *parts[1:]],
    "a flipped signature": lambda parts: [parts[0], parts[1], parts[2][::-1]],
    "padded": lambda parts: [*parts[:2], parts[2] + "=="],
}


async def _expect_refusal(world: World, credential: str) -> None:
    genuine = await world.ask("hr_unknown")
    for path in ("/v1/models", "/api/v1/keys", "/api/v1/auth/me"):
        response = await world.ask(credential, path=path)
        assert response.status_code == 401, path
        told, wrong_key = response.json()["error"], genuine.json()["error"]
        assert told | {"request_id": ""} == wrong_key | {"request_id": ""}
        assert response.headers["www-authenticate"] == "Bearer"


def _signed_with_our_key(world: World, token: str, changes: dict[str, Any]) -> str:
    """A token of ours with other claims, None to leave one out: as if the key were misused."""
    claims = _decode(token.split(".")[1])
    (sealed,) = world.auth.store.signing_keys.keys
    sealer = Sealer(world.auth.settings.key_encryption_bytes())
    changed = {name: value for name, value in (claims | changes).items() if value is not None}
    return unseal(sealed, sealer).signer.sign(changed)


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_refused(world: World, name: str) -> None:
    genuine = await world.token(MEMBER.email)
    header, claims = (_decode(part) for part in genuine.split(".")[:2])
    key = (await world.client.get("/.well-known/jwks.json")).json()["keys"][0]
    forged = FORGERIES[name]({**header, "typ": TOKEN_TYPE}, claims | {"sub": OWNER.user_id}, key)
    await _expect_refusal(world, forged)
    assert (await world.ask(genuine)).status_code == 200


@pytest.mark.parametrize("name", CHANGES)
async def test_a_changed_token_is_refused(world: World, name: str) -> None:
    genuine = await world.token(MEMBER.email)
    await _expect_refusal(world, ".".join(CHANGES[name](genuine.split("."))))


NOW = int(FakeClock().now().timestamp())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.test"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["headrace", "another"]},
        {"aud": None},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": None},
        {"exp": "never"},
        {"exp": 10**30},
        {"iat": NOW + 31, "exp": NOW + 1800},
        {"nbf": NOW + 31},
        {"sub": "01900000-0000-7000-8000-0000000000ff"},
        {"sub": None},
        {"sub": 5},
        {"org": "01900000-0000-7000-8000-00000000000b"},
        {"org": "' OR 1=1 --"},
        {"token_version": 2},
        {"token_version": 0},
        {"token_version": True},
        {"scope": "llm:invoke root"},
        {"jti": None},
        {"sid": None},
    ],
    ids=str,
)
async def test_a_signed_token_must_be_ours_for_us_and_of_now(
    world: World, changes: dict[str, Any]
) -> None:
    genuine = await world.token(OWNER.email)
    assert (await world.ask(_signed_with_our_key(world, genuine, {}))).status_code == 200
    await _expect_refusal(world, _signed_with_our_key(world, genuine, changes))


async def test_a_token_with_more_scopes_than_its_role_has_only_those_of_the_role(
    world: World,
) -> None:
    genuine = await world.token(AUDITOR.email)
    more = _signed_with_our_key(world, genuine, {"scope": "llm:invoke models:read keys:write"})
    assert (await world.ask(more)).status_code == 200
    made = await world.ask(more, "POST", "/api/v1/keys", json={"name": "x"})
    asked = {"model": "echo", "messages": [{"role": "user", "content": "Hi"}]}
    used = await world.ask(more, "POST", "/v1/chat/completions", json=asked)
    assert (made.status_code, used.status_code) == (403, 403)


async def test_a_token_ends_on_time(world: World) -> None:
    token = await world.token(MEMBER.email)
    world.clock.advance(1799)
    assert (await world.ask(token)).status_code == 200
    world.clock.advance(1)
    await _expect_refusal(world, token)


async def test_what_a_token_says_of_a_role_is_not_believed(world: World) -> None:
    token = await world.token(MEMBER.email)
    assert _decode(token.split(".")[1])["role"] == "member"
    response = await world.ask(token, "POST", "/api/v1/keys", json={"name": "x", "role": "owner"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "role")
