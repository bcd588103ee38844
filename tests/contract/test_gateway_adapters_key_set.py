"""The gateway's KeySet: it believes what the real auth signed, also after a change of keys."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws

from headrace.auth.v1 import auth_pb2
from headrace_auth.crypto import signing_keys
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.testing.directory import OWNER
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet


class CountingSource:
    """A KeySource: the auth process that is current, or none; counts fetches."""

    def __init__(self, current: AuthClient | None) -> None:
        self.current = current
        self.fetches = 0

    async def key_set(self) -> auth_pb2.GetJsonWebKeySetResponse:
        self.fetches += 1
        if self.current is None:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "auth does not answer")
        return await self.current.key_set()


def client(auth: RunningAuth) -> AuthClient:
    return AuthClient(auth.channel, resolve_seconds=5)


@asynccontextmanager
async def kept_fresh(source: CountingSource, clock: FakeClock) -> AsyncIterator[KeySet]:
    key_set = KeySet(source, clock)
    task = asyncio.create_task(key_set.keep_fresh())
    try:
        yield key_set
    finally:
        task.cancel()
        await asyncio.wait([task])


def refused(key_set: KeySet, token: str) -> Reason:
    with pytest.raises(HeadraceError) as caught:
        key_set.verify(token)
    return caught.value.reason


async def test_a_signed_token_is_believed_until_it_expires(
    auth: RunningAuth, clock: FakeClock
) -> None:
    token = await auth.token_of(OWNER.email)
    async with kept_fresh(CountingSource(client(auth)), clock) as key_set:
        await asyncio.wait_for(key_set.known.wait(), 5)
        key_set.verify(token)
        clock.advance(1800)
        assert refused(key_set, token) is Reason.CREDENTIAL_INVALID


async def test_a_forged_token_is_refused(auth: RunningAuth, clock: FakeClock) -> None:
    token = await auth.token_of(OWNER.email)
    header, claims = jws.get_unverified_header(token), jws.get_unverified_claims(token)
    forger = jwk.construct(ec.generate_private_key(ec.SECP256R1()), "ES256")
    forged = jws.sign(claims, forger, headers=header, algorithm="ES256")
    head, payload, signature = token.split(".")
    other_payload = (await auth.token_of(OWNER.email)).split(".")[1]
    async with kept_fresh(CountingSource(client(auth)), clock) as key_set:
        await asyncio.wait_for(key_set.known.wait(), 5)
        for text in (forged, f"{head}.{other_payload}.{signature}", f"{head}.{payload}.", "x"):
            assert refused(key_set, text) is Reason.CREDENTIAL_INVALID
        key_set.verify(token)


async def test_until_keys_are_there_no_token_is_judged(auth: RunningAuth, clock: FakeClock) -> None:
    token, source = await auth.token_of(OWNER.email), CountingSource(None)
    async with kept_fresh(source, clock) as key_set:
        assert refused(key_set, token) is Reason.NOT_SERVING
        assert not key_set.known.is_set()
        source.current = client(auth)
        await asyncio.wait_for(key_set.known.wait(), 5)
        key_set.verify(token)


async def test_a_token_of_a_new_key_brings_the_new_keys(
    auth: RunningAuth, clock: FakeClock
) -> None:
    old, source = await auth.token_of(OWNER.email), CountingSource(client(auth))
    async with kept_fresh(source, clock) as key_set:
        await asyncio.wait_for(key_set.known.wait(), 5)
        clock.advance(1)
        sealer = Sealer(auth.settings.key_encryption_bytes())
        now = clock.now()
        made = signing_keys.generate("ES256", sealer, created_at=now, activates_at=now)
        auth.store.signing_keys.keys.append(made)
        async with running_auth(clock, auth.store) as later:
            source.current = client(later)
            new = await later.token_of(OWNER.email)
            assert refused(key_set, new) is Reason.CREDENTIAL_INVALID
            await until(lambda: source.fetches == 2)
            await until(lambda: believes(key_set, new))
            key_set.verify(old)


async def test_a_token_of_an_rsa_key_is_believed(clock: FakeClock) -> None:
    async with running_auth(clock, signing_algorithm="RS256") as auth:
        token = await auth.token_of(OWNER.email)
        assert jws.get_unverified_header(token)["alg"] == "RS256"
        async with kept_fresh(CountingSource(client(auth)), clock) as key_set:
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
