"""What the end of a signing key means for tokens that a gateway remembers; auth is the real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from headrace_auth.domain.key_rotation import WITHDRAWAL_LEAD
from headrace_auth.testing.directory import OWNER
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.revocations import Ended

FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway's first stage with an auth behind it."""

    identify: Identify
    key_set: KeySet
    auth: RunningAuth
    clock: FakeClock

    async def token(self) -> str:
        return await self.auth.token_of(OWNER.email)

    async def asks(self, token: str) -> Principal:
        now = self.clock.now()
        return await self.identify.run(
            Exchange("r1", Activity.MODEL_LIST, "GET", "127.0.0.1", token, now, 0.0)
        )


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    clock = FakeClock()
    async with running_auth(clock) as auth:
        client = AuthClient(auth.channel, resolve_seconds=5)
        async with kept_fresh(KeySet(client, clock)) as key_set:
            identify = Identify(
                client,
                key_set,
                clock,
                Ended(client, clock, keep_seconds=600),
                fresh_seconds=FRESH_SECONDS,
                stale_seconds=600,
                maximum_strangers=8,
            )
            yield Scene(identify, key_set, auth, clock)


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
    await scene.auth.service.rotation.rotate_now(withdraw=True)
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
    made = await scene.auth.service.rotation.rotate_now()
    scene.clock.advance((made.activates_at - scene.clock.now()).total_seconds() - 60)
    last = await scene.token()
    assert (await scene.asks(last)).user_id
    scene.clock.advance(61)
    assert (await scene.asks(last)).user_id
    with pytest.raises(HeadraceError):
        await scene.asks(old)  # half an hour is over
