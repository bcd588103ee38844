"""What the end of a signing key means for tokens that a gateway remembers; auth is the real one."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.app import AuthService, build
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.key_rotation import WITHDRAWAL_LEAD
from headrace_auth.settings import AuthSettings
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet
from headrace_gateway.domain.exchange import Act, Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.stages.identify import Identify

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
FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway's first stage with an auth behind it."""

    identify: Identify
    key_set: KeySet
    auth: AuthService
    client: AuthClient
    clock: FakeClock

    async def token(self) -> str:
        return (await self.client.login(EMAIL, PASSWORD)).access_token

    async def asks(self, token: str) -> Principal:
        now = self.clock.now()
        return await self.identify.run(
            Exchange("r1", Act.MODEL_LIST, "GET", "127.0.0.1", token, now, 0.0)
        )


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    clock, passwords = FakeClock(), Passwords(SETTINGS.password_cost())
    auth = await build(
        SETTINGS,
        store=MemoryStore(),
        announcer=MemoryRevocationAnnouncer(),
        passwords=passwords,
        registry=CollectorRegistry(),
        clock=clock,
    )
    async with serving([auth.servicer.registration()]) as channel:
        client = AuthClient(channel, resolve_seconds=5, account_seconds=5)
        async with kept_fresh(KeySet(client, clock)) as key_set:
            identify = Identify(
                client, key_set, clock,
                fresh_seconds=FRESH_SECONDS, stale_seconds=600, maximum_strangers=8,
            )  # fmt: skip
            yield Scene(identify, key_set, auth, client, clock)
    await passwords.close()


@asynccontextmanager
async def kept_fresh(key_set: KeySet) -> AsyncIterator[KeySet]:
    task = asyncio.create_task(key_set.keep_fresh())
    try:
        await asyncio.wait_for(key_set.known.wait(), 5)
        yield key_set
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_withdrawn_keys_tokens_end_within_the_fresh_time(scene: Scene) -> None:
    token = await scene.token()
    await scene.auth.rotation.rotate_now(withdraw=True)
    scene.clock.advance(WITHDRAWAL_LEAD.total_seconds() - 1)
    await scene.asks(token)  # resolved a second before the end: the latest that can be
    scene.clock.advance(FRESH_SECONDS - 0.001)
    await scene.asks(token)
    scene.clock.advance(0.001)
    scene.key_set.verify(token)  # this gateway has not heard of it; auth's word counts
    with pytest.raises(HeadraceError) as caught:
        await scene.asks(token)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID


async def test_a_planned_rotation_is_noticed_by_nobody(scene: Scene) -> None:
    old = await scene.token()
    made = await scene.auth.rotation.rotate_now()
    scene.clock.advance((made.activates_at - scene.clock.now()).total_seconds() - 60)
    last = await scene.token()
    assert (await scene.asks(last)).user_id
    scene.clock.advance(61)
    assert (await scene.asks(last)).user_id
    with pytest.raises(HeadraceError):
        await scene.asks(old)  # half an hour is over
