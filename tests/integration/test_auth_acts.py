"""Acts on PostgreSQL: racing ones agree, failed ones leave nothing."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace.audit.v1.audit_pb2 import AuditEvent
from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer
from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.crypto.passwords import PasswordCost, Passwords
from headrace_auth.domain.announcements import Revocation
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Organization, Team, User
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import CredentialKind, Principal
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.testing.directory import ACME, ACME_TEAM, OWNER
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.start import ensure_first_owner
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason


@pytest.fixture
def store(auth_engine: AsyncEngine) -> PostgresStore:
    return PostgresStore(auth_engine, timeout_seconds=5)


@pytest.fixture
def announcer() -> MemoryRevocationAnnouncer:
    return MemoryRevocationAnnouncer()


@pytest.fixture
def acts(store: PostgresStore, announcer: MemoryRevocationAnnouncer) -> Acts:
    return Acts(store, announcer, SystemClock(), EntryEncoder("auth/test"))


@pytest.fixture
async def caller(store: PostgresStore) -> Caller:
    """The owner, of a store that has the directory in it."""
    await seed(store, "hash")
    member = await store.principals.member(OWNER.user_id, ACME)
    assert member is not None
    scopes, kind = SCOPES_OF_ROLE[member.role], CredentialKind.ACCESS_TOKEN
    return Caller(principal=Principal("token", kind, member, scopes, (), ()))


async def operations(store: PostgresStore) -> list[str]:
    waiting = await store.announcements.undelivered(100)
    return sorted(AuditEvent.FromString(event.payload).operation for event in waiting)


async def test_of_racing_revocations_of_one_key_one_changes_it_and_all_announce_it(
    store: PostgresStore, acts: Acts, announcer: MemoryRevocationAnnouncer, caller: Caller
) -> None:
    keys = KeyManager(acts, credential_notices())
    created = await keys.create(caller, ApiKeyRequest("key", frozenset(), (), None, ()))
    key_id = created.view.key.api_key_id
    views = await asyncio.gather(*(keys.revoke(caller, key_id) for _ in range(5)))
    assert len({view.key.revoked_at for view in views}) == 1
    assert await operations(store) == ["api_key.create", "api_key.revoke"]
    assert announcer.announced == [(ACME, key_id)] * 5
    async with store.begin() as transaction:
        assert len(await transaction.of(Revocation).find()) == 1
        key = await transaction.of(ApiKey).get(key_id)
    assert key == views[0].key


async def test_many_acts_may_end_the_same_at_once(
    store: PostgresStore, acts: Acts, announcer: MemoryRevocationAnnouncer, caller: Caller
) -> None:
    both_began = asyncio.Barrier(4)

    async def end() -> None:
        async with acts.begin(caller) as act:
            await act.of(Team).get(ACME_TEAM)  # the transaction is under way
            await both_began.wait()
            await act.end(ACME, "session:s1")
            await act.warn("session_ended", "session:s1")

    async with asyncio.timeout(10):
        await asyncio.gather(*(end() for _ in range(4)))
    assert announcer.announced == [(ACME, "session:s1")] * 4
    assert await operations(store) == ["session_ended"] * 4
    async with store.begin() as transaction:
        assert len(await transaction.of(Revocation).find()) == 1


async def test_an_act_that_fails_leaves_nothing(
    store: PostgresStore, acts: Acts, announcer: MemoryRevocationAnnouncer, caller: Caller
) -> None:
    async def fail() -> None:
        async with acts.begin(caller) as act:
            team = await act.of(Team).get(ACME_TEAM, lock=True)
            assert team is not None
            await act.change(team, replace(team, name="renamed"))
            await act.end(ACME, "session:s1")
            await act.add(team)  # exists already

    with pytest.raises(HeadraceError) as caught:
        await fail()
    assert caught.value.reason is Reason.ALREADY_EXISTS
    assert await operations(store) == []
    assert announcer.announced == []
    async with store.begin() as transaction:
        assert await transaction.of(Revocation).find() == []
        team = await transaction.of(Team).get(ACME_TEAM)
    assert team is not None
    assert team.name == "team"


async def test_of_racing_starts_one_makes_the_first_owner(store: PostgresStore, acts: Acts) -> None:
    passwords = Passwords(
        PasswordCost(time_cost=1, memory_kib=8, parallelism=1, threads=2, maximum_pending=8)
    )
    starts = (
        ensure_first_owner(acts, passwords, email=f"root{n}@acme.test", password="p" * 12)
        for n in range(5)
    )
    assert sorted(await asyncio.gather(*starts)) == [False] * 4 + [True]
    await passwords.close()
    assert await operations(store) == ["membership.create", "organization.create", "user.create"]
    async with store.begin() as transaction:
        [organization] = await transaction.of(Organization).find()
        assert len(await transaction.of(User).find()) == 1
    assert organization.platform
