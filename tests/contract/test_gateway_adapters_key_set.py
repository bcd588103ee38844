"""The gateway's KeySet: it believes what the real auth signed, also after a change of keys."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from prometheus_client import CollectorRegistry

from headrace.auth.v1 import auth_pb2
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.app import build
from headrace_auth.crypto import signing_keys
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.settings import AuthSettings
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet

EMAIL, PASSWORD = "owner@example.test", "correct horse battery staple"
SETTINGS = AuthSettings(
    database_url="unused",
    redis_url="unused",
    key_encryption_key=base64.b64encode(b"k" * 32).decode(),
    bootstrap_email=EMAIL,
    bootstrap_password=PASSWORD,
    argon2_time_cost=1,
    argon2_memory_kib=8,
    argon2_parallelism=1,
)


class KeySource:
    """Where a KeySet gets its keys: the auth process that is current, or none; counts fetches."""

    def __init__(self, current: AuthClient | None) -> None:
        self.current = current
        self.fetches = 0

    async def key_set(self) -> auth_pb2.GetJsonWebKeySetResponse:
        self.fetches += 1
        if self.current is None:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "auth does not answer")
        return await self.current.key_set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def auth(store: MemoryStore, clock: FakeClock) -> AsyncIterator[AuthClient]:
    async with auth_process(store, clock) as client:
        yield client


@asynccontextmanager
async def auth_process(
    store: MemoryStore, clock: FakeClock, settings: AuthSettings = SETTINGS
) -> AsyncIterator[AuthClient]:
    passwords = Passwords(SETTINGS.password_cost())
    service = await build(
        settings,
        store=store,
        announcer=MemoryRevocationAnnouncer(),
        passwords=passwords,
        registry=CollectorRegistry(),
        clock=clock,
    )
    async with serving([service.servicer.registration()]) as channel:
        yield AuthClient(channel, resolve_seconds=5, account_seconds=5)
    await passwords.close()


@asynccontextmanager
async def kept_fresh(source: KeySource, clock: FakeClock) -> AsyncIterator[KeySet]:
    key_set = KeySet(source, clock)
    task = asyncio.create_task(key_set.keep_fresh())
    try:
        yield key_set
    finally:
        task.cancel()
        await asyncio.wait([task])


async def token_of(auth: AuthClient) -> str:
    return (await auth.login(EMAIL, PASSWORD)).access_token


def refused(key_set: KeySet, token: str) -> Reason:
    with pytest.raises(HeadraceError) as caught:
        key_set.verify(token)
    return caught.value.reason


async def test_a_signed_token_is_believed_until_it_expires(
    auth: AuthClient, clock: FakeClock
) -> None:
    token = await token_of(auth)
    async with kept_fresh(KeySource(auth), clock) as key_set:
        await asyncio.wait_for(key_set.known.wait(), 5)
        key_set.verify(token)
        clock.advance(1800)
        assert refused(key_set, token) is Reason.CREDENTIAL_INVALID


async def test_a_forged_token_is_refused(auth: AuthClient, clock: FakeClock) -> None:
    token = await token_of(auth)
    header, claims = jws.get_unverified_header(token), jws.get_unverified_claims(token)
    forger = jwk.construct(ec.generate_private_key(ec.SECP256R1()), "ES256")
    forged = jws.sign(claims, forger, headers=header, algorithm="ES256")
    head, payload, signature = token.split(".")
    other_payload = (await token_of(auth)).split(".")[1]
    async with kept_fresh(KeySource(auth), clock) as key_set:
        await asyncio.wait_for(key_set.known.wait(), 5)
        for text in (forged, f"{head}.{other_payload}.{signature}", f"{head}.{payload}.", "x"):
            assert refused(key_set, text) is Reason.CREDENTIAL_INVALID
        key_set.verify(token)


async def test_until_keys_are_there_no_token_is_judged(auth: AuthClient, clock: FakeClock) -> None:
    token, source = await token_of(auth), KeySource(None)
    async with kept_fresh(source, clock) as key_set:
        assert refused(key_set, token) is Reason.NOT_SERVING
        assert not key_set.known.is_set()
        source.current = auth
        await asyncio.wait_for(key_set.known.wait(), 5)
        key_set.verify(token)


async def test_a_token_of_a_new_key_brings_the_new_keys(
    auth: AuthClient, store: MemoryStore, clock: FakeClock
) -> None:
    old, source = await token_of(auth), KeySource(auth)
    async with kept_fresh(source, clock) as key_set:
        await asyncio.wait_for(key_set.known.wait(), 5)
        clock.advance(1)
        sealer = Sealer(SETTINGS.key_encryption_bytes())
        now = clock.now()
        made = signing_keys.generate("ES256", sealer, created_at=now, activates_at=now)
        store.tables.signing_keys.append(made)
        async with auth_process(store, clock) as source.current:
            new = await token_of(source.current)
            assert refused(key_set, new) is Reason.CREDENTIAL_INVALID
            await until(lambda: source.fetches == 2)
            await until(lambda: believes(key_set, new))
            key_set.verify(old)


async def test_a_token_of_an_rsa_key_is_believed(clock: FakeClock) -> None:
    settings = SETTINGS.model_copy(update={"signing_algorithm": "RS256"})
    async with auth_process(MemoryStore(), clock, settings) as auth:
        token = await token_of(auth)
        assert jws.get_unverified_header(token)["alg"] == "RS256"
        async with kept_fresh(KeySource(auth), clock) as key_set:
            await asyncio.wait_for(key_set.known.wait(), 5)
            key_set.verify(token)
            assert refused(key_set, token[:-8] + "AAAAAAAA") is Reason.CREDENTIAL_INVALID


async def until(satisfied: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):  # well below a minute, after which keys are fetched anyway
        while not satisfied():  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.01)


def believes(key_set: KeySet, token: str) -> bool:
    try:
        key_set.verify(token)
    except HeadraceError:
        return False
    return True
