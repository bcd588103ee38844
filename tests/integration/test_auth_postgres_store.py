"""The PostgreSQL store passes the stores' suite, guards its rows, and tells outages from faults."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncpg import DataError
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.domain.principal import Role
from headrace_auth.testing.allowance_suite import AllowancesSuite
from headrace_auth.testing.announcement_suite import AnnouncementsSuite
from headrace_auth.testing.directory import ACME, ACME_TEAM, CREATED_AT, GLOBEX, MEMBER, OWNER
from headrace_auth.testing.seeding import seed
from headrace_auth.testing.suites import (
    PrincipalsSuite,
    RecordsSuite,
    SigningKeysSuite,
    keep,
    make_key,
)
from headrace_common.errors import HeadraceError, Reason
from headrace_common.postgres import create_engine


@pytest.fixture
async def empty_store(auth_engine: AsyncEngine) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(auth_engine, timeout_seconds=5)
    yield store
    await store.close()


@pytest.fixture
async def engine(auth_engine: AsyncEngine, empty_store: PostgresStore) -> AsyncEngine:
    await seed(empty_store, "hash")
    return auth_engine


@pytest.fixture
async def store(engine: AsyncEngine, empty_store: PostgresStore) -> PostgresStore:
    return empty_store


class TestPostgresStore(
    RecordsSuite, PrincipalsSuite, AllowancesSuite, AnnouncementsSuite, SigningKeysSuite
):
    pass


async def test_addresses_that_differ_in_case_are_one_account(engine: AsyncEngine) -> None:
    user = {"email": "Owner@ACME.test", "password_hash": "h", "token_version": 1}
    with pytest.raises(IntegrityError, match="ix_users_email"):
        async with engine.begin() as connection:
            await connection.execute(
                insert(tables.users).values(id=GLOBEX, created_at=CREATED_AT, **user)
            )


async def test_nobody_joins_a_team_of_another_organisation(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError, match="fk_memberships_team_id"):
        async with engine.begin() as connection:
            await connection.execute(
                update(tables.memberships)
                .where(tables.memberships.c.organization_id == GLOBEX)
                .values(team_id=ACME_TEAM)
            )


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("ck_limits_amount", {"amount": 0}),
        ("ck_limits_kind", {"kind": "wishes"}),
        ("ck_limits_subject_type", {"subject_type": "planet"}),
    ],
)
async def test_impossible_limits_are_refused(
    engine: AsyncEngine, constraint: str, values: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        async with engine.begin() as connection:
            await connection.execute(update(tables.limits).values(**values))


async def test_an_unknown_role_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError, match="ck_memberships_role"):
        async with engine.begin() as connection:
            await connection.execute(update(tables.memberships).values(role="emperor"))


async def test_an_unknown_tier_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError, match="ck_organizations_tier"):
        async with engine.begin() as connection:
            await connection.execute(update(tables.organizations).values(tier="imperial"))


async def test_a_changed_role_and_token_version_are_seen_at_once(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    key = make_key(1, made_by=OWNER.user_id)
    await keep(store, key)
    async with engine.begin() as connection:
        await connection.execute(update(tables.memberships).values(role="auditor"))
        await connection.execute(update(tables.users).values(token_version=2))
    stored = await store.principals.api_key(key.api_key_id)
    assert stored is not None
    assert (stored.member.role, stored.member.token_version) == (Role.AUDITOR, 2)


async def test_an_absent_database_is_unavailable(tmp_path: Path) -> None:
    engine = create_engine(f"postgresql+asyncpg://u@/d?host={tmp_path}")
    store = PostgresStore(engine, timeout_seconds=2)
    for question in (
        store.principals.member(MEMBER.user_id, ACME),
        store.principals.api_key(make_key(1).api_key_id),
        store.announcements.undelivered(1),
        store.announcements.revocations_since(CREATED_AT, None, 1),
        keep(store, make_key(1)),
        store.signing_keys.all(),
    ):
        with pytest.raises(HeadraceError) as caught:
            await question
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await engine.dispose()


async def test_a_locked_table_is_unavailable_after_the_deadline(
    engine: AsyncEngine,
) -> None:
    impatient = PostgresStore(engine, timeout_seconds=0.3)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("LOCK TABLE auth.api_keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(HeadraceError) as caught:
            async with asyncio.timeout(5):
                await impatient.principals.api_key(make_key(1).api_key_id)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert await impatient.principals.api_key(make_key(1).api_key_id) is None
    await impatient.close()


async def test_connections_that_the_server_closed_are_replaced(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    assert await store.principals.member(MEMBER.user_id, ACME) is not None
    async with engine.begin() as connection:
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await store.principals.member(MEMBER.user_id, ACME) is not None


@pytest.mark.parametrize("statement", ["SELECT nonsense", "SELECT 1 / 0"])
async def test_this_programs_own_faults_are_not_outages(
    engine: AsyncEngine, statement: str
) -> None:
    with pytest.raises(DBAPIError):
        async with Database(engine, timeout_seconds=5).reading() as connection:
            await connection.exec_driver_sql(statement)


async def test_a_wrong_argument_is_not_an_outage(store: PostgresStore) -> None:
    with pytest.raises(DataError):
        await store.principals.member("not a uuid", ACME)
