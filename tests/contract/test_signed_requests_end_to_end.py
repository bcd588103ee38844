"""Signed requests from an independent client, through the whole gateway, to the real auth."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, SigningKey, algorithms

from headrace_auth.testing.directory import ACME, MEMBER
from headrace_auth.testing.seeding import price
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.memory import MemoryAccounts
from headrace_gateway.domain.exchange import Exchange, Outcome
from headrace_gateway.domain.key_uses import UseBatch
from headrace_gateway.domain.principal import Principal, Tier
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import Gateway, running_gateway

COMPLETION = {"model": "echo", "prompt": "so it goes"}
COVERED = ("@method", "@authority", "@path", "@query")
CLIENTS = {
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
    "hmac-sha256": algorithms.HMAC_SHA256,
}


class RealAuth(MemoryAccounts):
    """The gateway's own clients of a real auth; tokens are left to it to verify."""

    def __init__(self, auth: RunningAuth) -> None:
        super().__init__()
        self._client = AuthClient(auth.channel, resolve_seconds=5)
        self._accounts = GrpcAccounts(auth.channel, seconds=5)

    async def resolve(self, credential: str) -> Principal:
        return await self._client.resolve(credential)

    async def resolve_signed(self, signed: SignedRequest) -> Principal:
        return await self._client.resolve_signed(signed)

    async def report(self, batch: UseBatch) -> None:
        await self._client.report(batch)

    def verify(self, token: str) -> None:
        pass

    async def call(self, name: str, fields: Any, exchange: Exchange) -> AccountAnswer:
        return await self._accounts.call(name, fields, exchange)


@dataclass
class Scene:
    """A gateway in front of an auth, and a key whose holder signs."""

    gateway: Gateway
    auth: RunningAuth
    algorithm: str
    private: SigningKey
    public_key: str
    token: str
    """Of a person who has logged in."""
    key_id: str = ""

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.gateway.client.request(method, path, json=body, headers=headers)

    async def make_key(self, **fields: Any) -> None:
        body = {"name": "signer", "signature_algorithm": self.algorithm, **fields}
        if self.public_key:
            body["public_key"] = self.public_key
        response = await self.ask("POST", "/api/v1/keys/signing", body)
        assert response.status_code == 201, response.text
        key = response.json()
        self.key_id, secret = key["id"], key["secret"]
        assert (key["kind"], key["signature_algorithm"]) == ("signature", self.algorithm)
        if secret is not None:
            self.private = secret.encode()

    def signed(
        self,
        method: str = "POST",
        path: str = "/v1/completions",
        body: Any = COMPLETION,
        *,
        digest: bool = True,
        age: timedelta = timedelta(0),
        nonce: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Request:
        content = None if body is None else json.dumps(body).encode()
        url = f"http://gateway{path}"
        request = httpx.Request(method, url, headers=headers, content=content)
        resolver = MappingKeyResolver(public_keys={}, private_keys={self.key_id: self.private})
        HTTPMessageSigner(signature_algorithm=CLIENTS[self.algorithm], key_resolver=resolver).sign(
            request,
            key_id=self.key_id,
            created=self.gateway.clock.now() - age,
            nonce=nonce or f"nonce {next(NUMBERS)}",
            covered_component_ids=COVERED,
            # With a body the client adds its Content-Digest and covers it.
            body=content if digest else None,
        )
        return request

    async def send(self, request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.gateway.app)) as client:
            return await client.send(request)

    async def expect_refusal(self, request: httpx.Request) -> None:
        """With the same answer as any other bad credential."""
        response = await self.send(request)
        wrong = {"authorization": "Bearer hr_wrong"}
        other = await self.gateway.client.get("/v1/models", headers=wrong)
        assert response.status_code == other.status_code == 401
        for each in (response, other):
            assert each.json()["error"].pop("request_id")
        errors = [each.json()["error"] | {"request_id": ""} for each in (response, other)]
        assert errors[0] == errors[1]


NUMBERS = count()


def _key_pair(algorithm: str) -> tuple[SigningKey, str]:
    """Nothing for `hmac-sha256`, whose secret auth makes."""
    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    match algorithm:
        case "ed25519":
            private = ed25519.Ed25519PrivateKey.generate()
        case "ecdsa-p256-sha256":
            private = ec.generate_private_key(ec.SECP256R1())
        case _:
            return b"", ""
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, pem.decode()


@asynccontextmanager
async def _scene(algorithm: str) -> AsyncIterator[Scene]:
    private, public_key = _key_pair(algorithm)
    async with running_auth(FakeClock()) as auth:
        accounts, clock = RealAuth(auth), auth.clock
        async with running_gateway(accounts=accounts, clock=clock) as gateway:
            token = await auth.token_of(MEMBER.email)
            scene = Scene(gateway, auth, algorithm, private, public_key, token)
            await scene.make_key()
            await price(auth.store, "echo")
            yield scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with _scene("ed25519") as scene:
        yield scene


@pytest.mark.parametrize("algorithm", CLIENTS)
async def test_a_signed_request_is_answered_for_its_key(algorithm: str) -> None:
    async with _scene(algorithm) as scene:
        response = await scene.send(scene.signed())
        assert response.json()["choices"][0]["text"] == "so it goes"
        exchange = scene.gateway.events.exchanges[-1]
        assert exchange.principal is not None
        assert exchange.principal.credential_id == scene.key_id
        assert exchange.principal.organization_id == ACME
        streamed = scene.signed(body={**COMPLETION, "stream": True})
        assert "data: [DONE]" in (await scene.send(streamed)).text
        for path in ("/v1/models", "/v1/models/echo?x=1"):
            assert (await scene.send(scene.signed("GET", path, None))).status_code == 200


async def test_a_signed_request_is_told_prices_and_tier(scene: Scene) -> None:
    assert (await scene.send(scene.signed())).status_code == 200
    principal = scene.gateway.events.exchanges[-1].principal
    assert principal is not None
    assert (principal.tier, principal.budgets != ()) == (Tier.STANDARD, True)
    assert principal.prices is not None
    assert [each.model for each in principal.prices.prices] == ["echo"]


async def test_a_replay_is_refused(scene: Scene) -> None:
    request = scene.signed()
    assert (await scene.send(request)).status_code == 200
    await scene.expect_refusal(request)
    await scene.expect_refusal(request)
    exchange = scene.gateway.events.exchanges[-2]
    assert (exchange.outcome, exchange.principal) == (Outcome.REFUSED, None)


async def test_a_nonce_is_good_for_one_request_of_a_key(scene: Scene) -> None:
    assert (await scene.send(scene.signed(nonce="n"))).status_code == 200
    await scene.expect_refusal(scene.signed("GET", "/v1/models", None, nonce="n"))


async def test_another_body_is_refused_before_anybody_looks_at_it(scene: Scene) -> None:
    for body in (b'{"model": "echo", "prompt": "so it gone"}', b"not even JSON", b""):
        request = scene.signed()
        swapped = httpx.Request("POST", request.url, headers=_but_length(request), content=body)
        await scene.expect_refusal(swapped)


async def test_a_body_with_its_own_digest_but_another_signature_is_refused(scene: Scene) -> None:
    victim, own = scene.signed(), scene.signed(body={**COMPLETION, "prompt": "evil"})
    headers = _but_length(victim)
    headers["content-digest"] = own.headers["content-digest"]
    request = httpx.Request("POST", victim.url, headers=headers, content=own.content)
    await scene.expect_refusal(request)


async def test_a_body_that_no_digest_covers_is_refused(scene: Scene) -> None:
    await scene.expect_refusal(scene.signed(digest=False))
    bare = scene.signed(body=None)
    with_body = httpx.Request("POST", bare.url, headers=_but_length(bare), content=b"{}")
    await scene.expect_refusal(with_body)


def _but_length(request: httpx.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name != "content-length"}


async def test_a_request_for_elsewhere_is_refused(scene: Scene) -> None:
    for method, url in (
        ("POST", "http://gateway/v1/chat/completions"),
        ("POST", "http://gateway/v1/completions?x=1"),
        ("POST", "http://other/v1/completions"),
        ("PUT", "http://gateway/v1/completions"),
    ):
        signed = scene.signed()
        headers = {name: value for name, value in signed.headers.items() if name != "host"}
        moved = httpx.Request(method, url, headers=headers, content=signed.content)
        if method == "PUT":
            assert (await scene.send(moved)).status_code == 405
        else:
            await scene.expect_refusal(moved)


@pytest.mark.parametrize("minutes", [6, -6])
async def test_stale_and_future_requests_are_refused(scene: Scene, minutes: int) -> None:
    await scene.expect_refusal(scene.signed(age=timedelta(minutes=minutes)))


async def test_a_request_that_waited_too_long_is_refused(scene: Scene) -> None:
    request = scene.signed()
    scene.gateway.clock.advance(301)
    await scene.expect_refusal(request)


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_a_signature_and_a_credential_are_refused(scene: Scene, header: str) -> None:
    value = f"Bearer {scene.token}" if header == "authorization" else scene.token
    headers = {header: value}
    await scene.expect_refusal(scene.signed(headers=headers))
    broken = scene.signed(headers=headers)
    del broken.headers["signature"]
    await scene.expect_refusal(broken)


async def test_account_routes_take_no_signed_requests(scene: Scene) -> None:
    for method, path, body in (
        ("GET", "/api/v1/keys", None),
        ("POST", "/api/v1/keys", {"name": "x"}),
        ("DELETE", f"/api/v1/keys/{scene.key_id}", None),
    ):
        response = await scene.send(scene.signed(method, path, body))
        assert response.status_code == 403
        assert "access token or an API key" in response.json()["error"]["message"]
    listed = (await scene.ask("GET", "/api/v1/keys")).json()["data"]
    assert [key["revoked_at"] for key in listed] == [None]


async def test_limits_scopes_models_and_networks_of_the_key_hold(scene: Scene) -> None:
    changes: dict[str, tuple[dict[str, Any], int]] = {
        "networks": ({"allowed_networks": ["10.9.0.0/16"]}, 403),
        "models": ({"allowed_networks": [], "allowed_models": ["other"]}, 404),
        "scopes": ({"allowed_models": [], "scopes": ["models:read"]}, 403),
        "limits": ({"scopes": ["llm:invoke"], "tokens_per_minute": 1}, 429),
    }
    for change, status in changes.values():
        patched = await scene.ask("PATCH", f"/api/v1/keys/{scene.key_id}", change)
        assert patched.status_code == 200, patched.text
        assert (await scene.send(scene.signed())).status_code == status
    await scene.ask("PATCH", f"/api/v1/keys/{scene.key_id}", {"tokens_per_minute": None})
    assert (await scene.send(scene.signed())).status_code == 200


async def test_a_revoked_key_signs_nothing_from_the_next_request_on(scene: Scene) -> None:
    assert (await scene.send(scene.signed())).status_code == 200
    assert (await scene.ask("DELETE", f"/api/v1/keys/{scene.key_id}")).status_code == 200
    await scene.expect_refusal(scene.signed())


async def test_what_ends_between_the_answer_of_auth_and_admission_is_refused(
    scene: Scene,
) -> None:
    scene.gateway.limiter.revoked.add((ACME, f"key:{scene.key_id}:1"))
    await scene.expect_refusal(scene.signed())


async def test_without_a_memory_of_nonces_callers_hear_503_and_may_try_again(
    scene: Scene,
) -> None:
    assert (await scene.send(scene.signed())).status_code == 200
    scene.auth.nonces.unavailable = True
    request = scene.signed()
    response = await scene.send(request)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    scene.auth.nonces.unavailable = False
    assert (await scene.send(request)).status_code == 200


async def test_uses_of_a_key_that_signs_are_counted(scene: Scene) -> None:
    for _ in range(2):
        await scene.send(scene.signed())
    await scene.send(scene.signed(age=timedelta(hours=1)))
    await scene.gateway.key_uses.report()
    key = (await scene.ask("GET", f"/api/v1/keys/{scene.key_id}")).json()
    assert (key["use_count"], key["last_used_at"]) == (2, "2026-01-01T00:00:00Z")


async def test_a_bearer_key_is_rotated_over_http(scene: Scene) -> None:
    made = (await scene.ask("POST", "/api/v1/keys", {"name": "k"})).json()
    path = f"/api/v1/keys/{made['id']}"
    rotated = (await scene.ask("POST", f"{path}/rotate", {"overlap_seconds": 60})).json()
    assert rotated["previous_secret_expires_at"] == "2026-01-01T00:01:00Z"

    async def works(secret: str) -> bool:
        headers = {"authorization": f"Bearer {secret}"}
        response = await scene.gateway.client.get("/v1/models", headers=headers)
        assert response.status_code in (200, 401)
        return response.status_code == 200

    assert [await works(each["secret"]) for each in (made, rotated)] == [True, True]
    scene.gateway.clock.advance(60)
    assert [await works(each["secret"]) for each in (made, rotated)] == [False, True]
