"""Requests signed by an independent client of RFC 9421: the gateway reads them, auth verifies them.

The client is the package http-message-signatures. httpx sends what it signed to an application
that keeps the ASGI scope, so that neither side sees the other's idea of a request.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPSignatureAlgorithm,
    MappingKeyResolver,
    SigningKey,
    algorithms,
)
from starlette.types import Receive, Scope, Send

from headrace_auth.crypto.message_signatures import SignatureAlgorithm, parse_public_key, verify
from headrace_common.errors import HeadraceError, Reason
from headrace_common.runtime import Runtime
from headrace_gateway.domain.signed_request import SignedRequest, check_content_digest
from headrace_gateway.http.front_door import Readiness
from headrace_gateway.http.server import serve_http
from headrace_gateway.http.signatures import parse_signed_request
from headrace_gateway.testing.gateway import CONNECTIONS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY_ID, OTHER_KEY_ID = "0123456789abcdefG", "0123456789abcdefH"
URL = "https://Gateway.test:8443/v1/chat%20x/completions?b=%7E&a=1&b"
BODY = b'{"model": "echo"}'
MINIMUM = ("@method", "@authority", "@path", "@query")
EVERYTHING = (
    *MINIMUM,
    *("@scheme", "@target-uri", "@request-target", "content-type", "x-twice", "x-empty"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A client's key and what auth keeps of it."""

    algorithm: SignatureAlgorithm
    client: type[HTTPSignatureAlgorithm]
    private: SigningKey
    material: bytes


def _kinds() -> list[Kind]:
    edwards, p256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    secret = b"s" * 32
    kinds = [Kind(SignatureAlgorithm.HMAC_SHA256, algorithms.HMAC_SHA256, secret, secret)]
    for private, client in ((edwards, algorithms.ED25519), (p256, algorithms.ECDSA_P256_SHA256)):
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        algorithm, material = parse_public_key(pem.decode())
        kinds.append(Kind(algorithm, client, private, material))
    return kinds


KINDS = _kinds()
kinds = pytest.mark.parametrize("kind", KINDS, ids=[kind.algorithm for kind in KINDS])


class Keeper:
    """An application that keeps what arrived."""

    def __init__(self) -> None:
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


def _signed(
    kind: Kind,
    covered: tuple[str, ...] = EVERYTHING,
    *,
    body: bytes | None = BODY,
    method: str = "POST",
    url: str = URL,
    include_alg: bool = True,
    nonce: str | None = "n-1",
    created: datetime = NOW,
) -> httpx.Request:
    headers = [
        *(("content-type", "application/json"), ("x-twice", "1"), ("x-twice", "2")),
        *(("x-empty", ""), ("authorization", "Bearer none")),
    ]
    request = httpx.Request(method, url, headers=headers, content=body)
    resolver = MappingKeyResolver(public_keys={}, private_keys={KEY_ID: kind.private})
    HTTPMessageSigner(signature_algorithm=kind.client, key_resolver=resolver).sign(
        request,
        key_id=KEY_ID,
        created=created,
        expires=created + timedelta(minutes=1),
        nonce=nonce,
        tag="headrace",
        include_alg=include_alg,
        covered_component_ids=covered,
        body=body,
    )
    return request


async def _sent(request: httpx.Request) -> Scope:
    keeper = Keeper()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(keeper)) as client:
        await client.send(request)
    return keeper.scope


def _parse(scope: Scope) -> SignedRequest:
    signed = parse_signed_request(scope, NOW)
    assert signed is not None
    return signed


def _verifies(kind: Kind, signed: SignedRequest) -> bool:
    return verify(
        kind.algorithm,
        kind.material,
        signed.signature_base,
        signed.signature,
        named=signed.algorithm,
    )


def _accepted(kind: Kind, scope: Scope) -> bool:
    """As the gateway and auth decide together."""
    try:
        return _verifies(kind, _parse(scope))
    except HeadraceError as error:
        if error.reason is not Reason.CREDENTIAL_INVALID:
            raise
        return False


@kinds
@pytest.mark.parametrize("include_alg", [True, False])
@pytest.mark.parametrize("covered", [MINIMUM, ("@method", "@target-uri"), EVERYTHING])
async def test_what_the_client_signed_verifies(
    kind: Kind, covered: tuple[str, ...], include_alg: bool
) -> None:
    signed = _parse(await _sent(_signed(kind, covered, include_alg=include_alg)))
    assert _verifies(kind, signed)
    assert (signed.key_id, signed.nonce, signed.created) == (KEY_ID, "n-1", NOW)
    assert signed.expires == NOW + timedelta(minutes=1)
    assert signed.algorithm == (kind.algorithm if include_alg else "")
    check_content_digest(signed.content_digest, BODY)
    with pytest.raises(HeadraceError):
        check_content_digest(signed.content_digest, BODY + b"\n")


@kinds
@pytest.mark.parametrize("url", ["https://gateway.test", "https://[2001:db8::1]/a", URL])
async def test_a_request_without_a_body_verifies(kind: Kind, url: str) -> None:
    signed = _parse(await _sent(_signed(kind, MINIMUM, method="GET", body=None, url=url)))
    assert _verifies(kind, signed)
    assert signed.content_digest is None


Change = Callable[[Scope], None]


def _header(name: bytes, value: bytes) -> Change:
    def change(scope: Scope) -> None:
        position = [header for header, _ in scope["headers"]].index(name)
        assert scope["headers"][position][1] != value
        scope["headers"][position] = (name, value)

    return change


def _key(name: str, value: object) -> Change:
    def change(scope: Scope) -> None:
        assert scope[name] != value
        scope[name] = value

    return change


def _parameter(old: bytes, new: bytes, header: bytes = b"signature-input") -> Change:
    def change(scope: Scope) -> None:
        value = dict(scope["headers"])[header]
        assert value.count(old) == 1
        _header(header, value.replace(old, new))(scope)

    return change


def _another_line(name: bytes, value: bytes) -> Change:
    return lambda scope: scope["headers"].append((name, value))


def _without(name: bytes) -> Change:
    def change(scope: Scope) -> None:
        scope["headers"] = [line for line in scope["headers"] if line[0] != name]

    return change


def _lines_swapped(scope: Scope) -> None:
    lines = scope["headers"]
    first, second = (position for position, line in enumerate(lines) if line[0] == b"x-twice")
    lines[first], lines[second] = lines[second], lines[first]


CREATED = b"created=%d" % NOW.timestamp()
TAMPERING: dict[str, Change] = {
    "method": _key("method", "PUT"),
    "method in lower case": _key("method", "post"),
    "scheme": _key("scheme", "http"),
    "path": _key("raw_path", b"/v1/chat%20y/completions"),
    "path decoded": _key("raw_path", b"/v1/chat x/completions"),
    "path in another case": _key("raw_path", b"/v1/Chat%20x/completions"),
    "query": _key("query_string", b"b=%7E&a=2&b"),
    "query reordered": _key("query_string", b"a=1&b=%7E&b"),
    "query longer": _key("query_string", b"b=%7E&a=1&b&c"),
    "query gone": _key("query_string", b""),
    "host": _header(b"host", b"other.test:8443"),
    "port": _header(b"host", b"gateway.test"),
    "second host": _another_line(b"host", b"gateway.test:8443"),
    "field": _header(b"content-type", b"text/plain"),
    "field's first line": _header(b"x-twice", b"2"),
    "field's lines swapped": _lines_swapped,
    "field with another line": _another_line(b"x-twice", b"3"),
    "empty field": _header(b"x-empty", b"0"),
    "field gone": _without(b"x-empty"),
    "digest": _header(b"content-digest", b"sha-256=:" + b"A" * 43 + b"=:"),
    "digest gone": _without(b"content-digest"),
    "another digest": _another_line(b"content-digest", b"sha-512=:" + b"A" * 86 + b"==:"),
    "created": _parameter(CREATED, CREATED[:-1] + b"1"),
    "nonce": _parameter(b'"n-1"', b'"n-2"'),
    "nonce gone": _parameter(b';nonce="n-1"', b""),
    "keyid": _parameter(KEY_ID.encode(), OTHER_KEY_ID.encode()),
    "tag": _parameter(b'"headrace"', b'"other"'),
    "tag gone": _parameter(b';tag="headrace"', b""),
    "component no longer covered": _parameter(b' "content-type"', b""),
    "component covered beside": _parameter(b'"x-empty"', b'"x-empty" "authorization"'),
    "components swapped": _parameter(b'"x-twice" "x-empty"', b'"x-empty" "x-twice"'),
    "signature": _parameter(b"pyhms=:", b"pyhms=:AAAA", header=b"signature"),
    "signature under another label": _parameter(b"pyhms", b"other", header=b"signature"),
    "second signature": _another_line(b"signature", b"two=:AAAA:"),
    "second input": _another_line(b"signature-input", b'two=("@method");created=1'),
    "signature gone": _without(b"signature"),
    "input gone": _without(b"signature-input"),
}


@kinds
@pytest.mark.parametrize("change", TAMPERING.values(), ids=TAMPERING)
async def test_a_request_that_was_tampered_with_is_not_accepted(kind: Kind, change: Change) -> None:
    scope = await _sent(_signed(kind))
    assert _accepted(kind, scope)
    tampered = {**scope, "headers": copy.copy(scope["headers"])}
    change(tampered)
    assert not _accepted(kind, tampered)


@kinds
async def test_what_is_not_covered_may_change(kind: Kind) -> None:
    scope = await _sent(_signed(kind))
    _header(b"authorization", b"Bearer other")(scope)
    assert _accepted(kind, scope)


@kinds
@pytest.mark.parametrize("other", KINDS, ids=[kind.algorithm for kind in KINDS])
async def test_a_key_does_not_verify_another_algorithms_request(kind: Kind, other: Kind) -> None:
    scope = await _sent(_signed(kind, include_alg=False))
    assert _accepted(other, scope) is (other is kind)
    named = _parse(await _sent(_signed(kind)))
    assert not _verifies(kind, replace(named, algorithm="rsa-pss-sha512"))


async def test_a_public_key_as_the_secret_of_an_hmac_forges_nothing() -> None:
    for kind in KINDS[1:]:
        forged = replace(KINDS[0], private=kind.material)
        for include_alg in (True, False):
            scope = await _sent(_signed(forged, include_alg=include_alg))
            assert not _accepted(kind, scope)
            assert not _accepted(replace(KINDS[0], material=kind.material), scope)


@kinds
@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_signature_outside_of_the_window_is_refused(kind: Kind, minutes: int) -> None:
    created = NOW + timedelta(minutes=minutes)
    assert not _accepted(kind, await _sent(_signed(kind, created=created)))


async def test_a_signature_without_a_nonce_is_refused() -> None:
    assert not _accepted(KINDS[0], await _sent(_signed(KINDS[0], nonce=None)))


async def test_a_request_signed_for_https_verifies_behind_a_proxy_that_ends_tls() -> None:
    keeper, runtime = Keeper(), Runtime(step_seconds=5)
    port = await serve_http(
        runtime,
        keeper,
        "127.0.0.1:0",
        Readiness({}),
        trusted_proxies="127.0.0.1",
        drain_seconds=1,
        write_seconds=5,
        connections=CONNECTIONS,
    )
    request = _signed(KINDS[1])
    forwarded = httpx.Request(
        "POST",
        request.url.copy_with(scheme="http", host="127.0.0.1", port=port),
        headers=[*request.headers.raw, (b"x-forwarded-proto", b"https")],
        content=BODY,
    )
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            assert (await client.send(forwarded)).status_code == 204
    finally:
        await runtime.close()
    assert _accepted(KINDS[1], keeper.scope)
    assert not _accepted(KINDS[1], {**keeper.scope, "scheme": "http"})
