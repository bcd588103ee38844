"""Rotating signing keys: in time, once however many replicas, and through outages."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

import pytest
from jose import jws

from headrace_auth.adapters.memory import MemorySigningKeys, MemoryStore
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import AccessClaims, Audience
from headrace_auth.domain.key_rotation import CLOCK_SKEW, WITHDRAWAL_LEAD, RotationPolicy
from headrace_auth.domain.principal import Scope
from headrace_auth.ports import SealedSigningKey
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

LIFE = timedelta(minutes=30)
POLICY = RotationPolicy.of(
    algorithm="ES256", period=timedelta(days=30), lead=timedelta(hours=1), token_life=LIFE
)


class Replica:
    """One of several auth processes."""

    def __init__(self, keys: MemorySigningKeys, clock: FakeClock, sealer: Sealer) -> None:
        self.clock = clock
        self.tokens = AccessTokens(Audience("https://headrace.test", "headrace"))
        self.rotation = SigningKeyRotation(keys, sealer, self.tokens, clock, POLICY)

    def issue(self) -> str:
        now = self.clock.now()
        scopes = frozenset({Scope.LLM_INVOKE})
        return self.tokens.sign(
            AccessClaims("t1", "u1", "o1", "member", scopes, 1, now, now + LIFE)
        )

    def believes(self, token: str) -> bool:
        try:
            self.tokens.verify(token, self.clock.now())
        except HeadraceError:
            return False
        return True

    def published(self) -> list[str]:
        return [jwk["kid"] for jwk in self.tokens.public_jwks(self.clock.now())]


def signer_of(token: str) -> str:
    return str(jws.get_unverified_header(token)["kid"])


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def replicas(store: MemoryStore, clock: FakeClock) -> list[Replica]:
    return [Replica(store.signing_keys, clock, Sealer(b"k" * 32)) for _ in range(5)]


async def refresh(replicas: list[Replica]) -> None:
    await asyncio.gather(*(replica.rotation.refresh() for replica in replicas))


async def test_replicas_that_start_at_once_end_with_one_key(
    store: MemoryStore, replicas: list[Replica]
) -> None:
    await refresh(replicas)
    (key,) = store.signing_keys.keys
    assert {signer_of(replica.issue()) for replica in replicas} == {key.kid}
    assert all(a.believes(b.issue()) for a in replicas for b in replicas)


async def test_a_months_rotation_costs_nobody_a_token(
    store: MemoryStore, replicas: list[Replica], clock: FakeClock
) -> None:
    await refresh(replicas)
    (first,) = store.signing_keys.keys
    clock.advance((POLICY.period - POLICY.lead).total_seconds())
    await refresh(replicas)
    assert len(store.signing_keys.keys) == 2
    second = store.signing_keys.keys[1].kid
    assert {tuple(replica.published()) for replica in replicas} == {(first.kid, second)}

    clock.advance(POLICY.lead.total_seconds() - 1)
    last = replicas[0].issue()
    assert signer_of(last) == first.kid
    clock.advance(1)  # nobody refreshes: the clock alone decides
    assert {signer_of(replica.issue()) for replica in replicas} == {second}
    clock.advance(LIFE.total_seconds() - 2)
    assert all(replica.believes(last) for replica in replicas)

    clock.advance(1 + CLOCK_SKEW.total_seconds())
    assert {tuple(replica.published()) for replica in replicas} == {(second, first.kid)}
    clock.advance(1)
    assert {tuple(replica.published()) for replica in replicas} == {(second,)}
    assert len(store.signing_keys.keys) == 2
    await refresh(replicas)
    assert [key.kid for key in store.signing_keys.keys] == [second]


async def test_an_administrators_rotation_is_one_however_often_asked_for(
    store: MemoryStore, replicas: list[Replica], clock: FakeClock
) -> None:
    await refresh(replicas)
    made = await asyncio.gather(*(replica.rotation.rotate_now() for replica in replicas))
    assert {key.kid for key in made} == {store.signing_keys.keys[1].kid}
    assert made[0].activates_at == clock.now() + POLICY.lead
    assert len(store.signing_keys.keys) == 2
    assert all(len(replica.published()) == 2 for replica in replicas)


async def test_withdrawn_keys_end_their_tokens_on_every_replica_at_once(
    store: MemoryStore, replicas: list[Replica], clock: FakeClock
) -> None:
    await refresh(replicas)
    old = replicas[1].issue()
    made = await replicas[0].rotation.rotate_now(withdraw=True)
    await refresh(replicas)
    clock.advance(WITHDRAWAL_LEAD.total_seconds() - 1)
    assert all(replica.believes(old) for replica in replicas)
    clock.advance(1)
    assert not any(replica.believes(old) for replica in replicas)
    assert {signer_of(replica.issue()) for replica in replicas} == {made.kid}
    await refresh(replicas)
    assert [key.kid for key in store.signing_keys.keys] == [made.kid]


async def test_withdrawing_overtakes_a_key_that_waits(
    replicas: list[Replica], clock: FakeClock
) -> None:
    await refresh(replicas)
    waiting = await replicas[0].rotation.rotate_now()
    made = await replicas[0].rotation.rotate_now(withdraw=True)
    assert made.kid != waiting.kid
    clock.advance(POLICY.lead.total_seconds())
    assert replicas[0].published() == [made.kid]


class BrokenKeys(MemorySigningKeys):
    """Does not answer while `unavailable`, and loses every race while `overtaken`."""

    def __init__(self) -> None:
        super().__init__()
        self.unavailable = False
        self.overtaken = False
        self.questions = asyncio.Semaphore(0)

    async def all(self) -> list[SealedSigningKey]:
        self.questions.release()
        if self.unavailable:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the database does not answer")
        return await super().all()

    async def add(
        self, key: SealedSigningKey, *, known: Collection[str], others_retire_at: datetime
    ) -> bool:
        if self.overtaken:
            return False
        return await super().add(key, known=known, others_retire_at=others_retire_at)


async def test_through_an_outage_the_keys_go_on_and_the_next_one_begins_on_time(
    clock: FakeClock,
) -> None:
    keys = BrokenKeys()
    replica = Replica(keys, clock, Sealer(b"k" * 32))
    await replica.rotation.refresh()
    made = await replica.rotation.rotate_now()
    keys.unavailable = True
    with pytest.raises(HeadraceError) as caught:
        await replica.rotation.refresh()
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert replica.believes(replica.issue())
    clock.advance(POLICY.lead.total_seconds())
    assert signer_of(replica.issue()) == made.kid


async def test_who_always_loses_the_race_gives_up(clock: FakeClock) -> None:
    keys = BrokenKeys()
    replica = Replica(keys, clock, Sealer(b"k" * 32))
    await replica.rotation.refresh()
    keys.overtaken = True
    with pytest.raises(HeadraceError) as caught:
        await replica.rotation.rotate_now(withdraw=True)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


async def test_keys_under_another_encryption_key_leave_the_set_as_it_is(
    store: MemoryStore, replicas: list[Replica], clock: FakeClock
) -> None:
    ours = replicas[0]
    await ours.rotation.refresh()
    before = ours.published()
    stranger = Replica(store.signing_keys, clock, Sealer(b"x" * 32))
    with pytest.raises(HeadraceError) as caught:
        await stranger.rotation.refresh()
    assert caught.value.reason is Reason.NOT_SERVING
    assert stranger.published() == []
    assert ours.published() == before


async def test_a_key_at_rest_does_not_show_itself(
    store: MemoryStore, replicas: list[Replica]
) -> None:
    await replicas[0].rotation.refresh()
    (key,) = store.signing_keys.keys
    encoded = Sealer(b"k" * 32).open(key.encrypted_private_key, key.kid)
    assert encoded not in key.encrypted_private_key
    assert repr(key) == f"SealedSigningKey({key.kid!r})"


async def test_a_failed_minute_is_followed_by_the_next(clock: FakeClock) -> None:
    keys = BrokenKeys()
    replica = Replica(keys, clock, Sealer(b"k" * 32))
    keys.unavailable = True
    rotating = asyncio.create_task(replica.rotation.keep_rotating(every_seconds=0.001))
    try:
        async with asyncio.timeout(5):
            for _ in range(3):
                await keys.questions.acquire()
            assert replica.published() == []
            keys.unavailable = False
            while not replica.published():
                await keys.questions.acquire()
    finally:
        rotating.cancel()
        await asyncio.wait([rotating])
