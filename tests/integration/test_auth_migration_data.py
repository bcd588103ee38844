"""Migrations with data: nothing is lost, and the release before goes on beside this one."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.adapters.postgres.tables import SCHEMA
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import (
    Invitation,
    LinkedIdentity,
    Membership,
    Organization,
    Team,
    User,
    UserKind,
)
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import (
    Budget,
    BudgetPeriod,
    Limit,
    LimitKind,
    Role,
    Scope,
    Subject,
    Tier,
)
from headrace_auth.domain.sessions import RefreshToken, Session
from headrace_auth.testing.suites import keep
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DIGEST = b"\x5a" * 32
OLDEST, NEWER, TEAM, OWNER, MEMBER = (f"01900000-0000-7000-8000-00000000000{n}" for n in range(5))
SOON = NOW + timedelta(days=30)

OLD_ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("organizations", {"id": NEWER, "name": "newer", "created_at": NOW + timedelta(days=1)}),
    ("organizations", {"id": OLDEST, "name": "default", "created_at": NOW}),
    ("teams", {"id": TEAM, "organization_id": OLDEST, "name": "team", "created_at": NOW}),
    *(
        ("users", {"id": id_, "email": email, "password_hash": "h", "token_version": version,
                   "created_at": NOW})
        for id_, email, version in ((OWNER, "owner@acme.test", 1), (MEMBER, "m@acme.test", 7))
    ),
    ("memberships", {"user_id": OWNER, "organization_id": OLDEST, "role": "owner",
                     "created_at": NOW}),
    ("memberships", {"user_id": MEMBER, "organization_id": OLDEST, "role": "member",
                     "team_id": TEAM, "created_at": NOW}),
    ("memberships", {"user_id": MEMBER, "organization_id": NEWER, "role": "admin",
                     "created_at": NOW}),
    *(
        ("api_keys", {"id": id_, "secret_sha256": DIGEST, "organization_id": OLDEST,
                      "created_by": MEMBER, "name": "laptop", "scopes": ["llm:invoke"],
                      "allowed_models": ["smollm2"], "created_at": NOW, "expires_at": SOON,
                      "revoked_at": revoked_at})
        for id_, revoked_at in (("key1", None), ("key2", NOW))
    ),
    ("limits", {"organization_id": OLDEST, "subject_type": "api_key", "subject_id": "key1",
                "kind": "requests_per_minute", "model": "", "amount": 60}),
    ("budgets", {"organization_id": OLDEST, "subject_type": "team", "subject_id": TEAM,
                 "period": "month", "amount_micros": 5, "currency": "EUR",
                 "time_zone": "Europe/Berlin"}),
    ("signing_keys", {"kid": "k1", "algorithm": "ES256", "encrypted_private_key": b"sealed",
                      "public_jwk": json.dumps({"kid": "k1"}), "created_at": NOW}),
)  # fmt: skip
"""What the release before has written, by table, every column of its own."""

OLD_QUERIES = (
    # Its login, its resolution of tokens and keys, its lists, its start.
    "SELECT users.id, users.password_hash, memberships.organization_id FROM auth.users"
    " LEFT JOIN auth.memberships ON memberships.user_id = users.id"
    " WHERE lower(users.email) = 'owner@acme.test'"
    " ORDER BY memberships.created_at, memberships.organization_id LIMIT 1",
    "SELECT api_keys.id, secret_sha256, api_keys.organization_id, created_by, api_keys.name,"
    " scopes, allowed_models, api_keys.created_at, expires_at, revoked_at, memberships.role,"
    " users.token_version, (SELECT coalesce(jsonb_agg(to_jsonb(limits)), '[]') FROM auth.limits"
    " WHERE limits.organization_id = api_keys.organization_id AND subject_type = 'api_key'"
    " AND subject_id = api_keys.id) AS key_limits,"
    " (SELECT coalesce(jsonb_agg(to_jsonb(budgets)), '[]') FROM auth.budgets"
    " WHERE budgets.organization_id = memberships.organization_id) AS member_budgets"
    " FROM auth.api_keys JOIN auth.memberships ON memberships.user_id = api_keys.created_by"
    " AND memberships.organization_id = api_keys.organization_id"
    " JOIN auth.users ON users.id = memberships.user_id WHERE api_keys.id = 'key1'",
    "SELECT kid, algorithm, encrypted_private_key, public_jwk, created_at FROM auth.signing_keys"
    " ORDER BY created_at DESC, kid",
    "SELECT EXISTS (SELECT users.id FROM auth.users)",
)
OLD_CHANGES = (
    "LOCK TABLE auth.users IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE auth.signing_keys IN SHARE ROW EXCLUSIVE MODE",
    "UPDATE auth.api_keys SET revoked_at = coalesce(revoked_at, now())"
    " WHERE id = 'key1' AND organization_id = '01900000-0000-7000-8000-000000000000'",
)


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    engine = create_engine(postgres_url)
    await go(engine, "0001")
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> PostgresStore:
    return PostgresStore(engine, timeout_seconds=5)


async def go(engine: AsyncEngine, revision: str) -> None:
    """Up or down."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes.update(connection=connection, schema=SCHEMA)
        (command.downgrade if revision == "0001" else command.upgrade)(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(run)


async def add_old_rows(connection: AsyncConnection) -> None:
    """As the release before inserts: with the columns that it knows, and no others."""
    for table, row in OLD_ROWS:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        await connection.execute(text(f"INSERT INTO auth.{table} ({names}) VALUES ({values})"), row)


async def seen_by_old(engine: AsyncEngine) -> Mapping[str, list[Any]]:
    """Every row, in the columns that the release before knows."""
    columns: dict[str, dict[str, None]] = {}
    for table, row in OLD_ROWS:
        columns.setdefault(table, {}).update(dict.fromkeys(row))
    seen = {}
    async with engine.connect() as connection:
        for table, names in columns.items():
            rows = await connection.execute(text(f"SELECT {', '.join(names)} FROM auth.{table}"))
            seen[table] = sorted(map(tuple, rows), key=repr)
    return seen


async def test_old_rows_survive_the_way_up_and_down_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_old_rows(connection)
    before = await seen_by_old(engine)
    assert sum(map(len, before.values())) == len(OLD_ROWS)
    await go(engine, "head")
    assert await seen_by_old(engine) == before
    await go(engine, "0001")
    assert await seen_by_old(engine) == before
    await go(engine, "head")
    assert await seen_by_old(engine) == before


async def test_old_rows_are_whole_records_of_this_release(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    async with engine.begin() as connection:
        await add_old_rows(connection)
    await go(engine, "head")
    await _check_records(store, verified=NOW)
    async with store.begin() as transaction:
        organizations = await transaction.of(Organization).find()
    assert organizations == [
        Organization(OLDEST, "default", NOW, platform=True),
        Organization(NEWER, "newer", NOW + timedelta(days=1)),
    ]
    async with engine.connect() as connection:
        query = text("SELECT activates_at, retires_at FROM auth.signing_keys")
        assert (await connection.execute(query)).one() == (NOW, None)


async def _check_records(store: PostgresStore, *, verified: datetime | None) -> None:
    key = ApiKey(
        "key1",
        OLDEST,
        MEMBER,
        "laptop",
        frozenset({Scope.LLM_INVOKE}),
        NOW,
        secret_sha256=DIGEST,
        allowed_models=("smollm2",),
        expires_at=SOON,
    )
    user = User(MEMBER, "m@acme.test", NOW, "h", token_version=7, email_verified_at=verified)
    budget = Budget(Subject.TEAM, TEAM, 5, "EUR", BudgetPeriod.MONTH, "Europe/Berlin")
    limit = Limit(LimitKind.REQUESTS_PER_MINUTE, Subject.API_KEY, "key1", 60)
    async with store.begin() as transaction:
        assert await transaction.of(ApiKey).find() == [
            key,
            replace(key, api_key_id="key2", revoked_at=NOW),
        ]
        assert await transaction.of(User).get(MEMBER) == user
        assert await transaction.of(Team).get(TEAM) == Team(TEAM, OLDEST, "team", NOW)
        assert await transaction.of(Membership).get(MEMBER, OLDEST) == Membership(
            MEMBER, OLDEST, Role.MEMBER, NOW, TEAM
        )
        assert await transaction.of(LimitRecord).find() == [LimitRecord.of(OLDEST, limit)]
        assert await transaction.of(BudgetRecord).find() == [BudgetRecord.of(OLDEST, budget)]
    stored = await store.principals.api_key("key1")
    assert stored is not None
    assert (stored.key, stored.limits, stored.member.budgets) == (key, (limit,), (budget,))
    assert (stored.member.token_version, stored.member.version) == (7, 1)
    [signing] = await store.signing_keys.all()
    assert (signing.kid, signing.encrypted_private_key) == ("k1", b"sealed")
    assert (signing.public_jwk, signing.retires_at) == ({"kid": "k1"}, None)


async def test_the_release_before_goes_on_beside_this_one(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    await go(engine, "head")
    async with engine.begin() as connection:
        await add_old_rows(connection)
        for query in OLD_QUERIES:
            assert (await connection.execute(text(query))).all()
    await _check_records(store, verified=None)
    async with engine.begin() as connection:
        for change in OLD_CHANGES:
            await connection.execute(text(change))
    async with store.begin() as transaction:
        key = await transaction.of(ApiKey).get("key1")
    assert key is not None
    assert key.revoked_at is not None


async def test_going_back_loses_only_what_the_release_before_cannot_hold(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    async with engine.begin() as connection:
        await add_old_rows(connection)
    before = await seen_by_old(engine)
    await go(engine, "head")
    await _write_as_this_release(store)
    await go(engine, "0001")
    assert await seen_by_old(engine) == before
    async with engine.begin() as connection:
        for query in OLD_QUERIES:
            await connection.execute(text(query))
    await go(engine, "head")
    async with store.begin() as transaction:
        tiers = {each.tier for each in await transaction.of(Organization).find()}
        assert tiers == {Tier.STANDARD}
        assert await transaction.of(Session).find() == []
        assert len(await transaction.of(User).find()) == 2


async def _write_as_this_release(store: PostgresStore) -> None:
    """Something in every place that the release before does not know."""
    service, stranger, session = (f"01900000-0000-7000-8000-00000000005{n}" for n in range(3))
    scopes = frozenset({Scope.ACCOUNT_READ})
    signing = ApiKey("sign", OLDEST, MEMBER, "s", scopes, NOW, signature_algorithm="ed25519")
    of_service = ApiKey("serv", OLDEST, service, "s", scopes, NOW, secret_sha256=DIGEST)
    budget = Budget(Subject.USER, OWNER, 5, "EUR", BudgetPeriod.DAY, "UTC", model="smollm2")
    await keep(
        store,
        User(service, None, NOW, kind=UserKind.SERVICE, name="robot"),
        User(stranger, "oidc@acme.test", NOW, email_verified_at=NOW),
        Membership(service, OLDEST, Role.SERVICE, NOW),
        Membership(stranger, NEWER, Role.MEMBER, NOW),
        LinkedIdentity("github", "42", stranger, "oidc@acme.test", NOW),
        Session(session, stranger, NEWER, NOW, NOW, SOON),
        RefreshToken(DIGEST, session, NOW, SOON),
        Invitation(stranger, OLDEST, "i@acme.test", Role.MEMBER, DIGEST, OWNER, NOW, SOON),
        PriceTable(1, "EUR", {}, NOW, service, NOW),
        signing,
        of_service,
        BudgetRecord.of(OLDEST, budget),
    )
    async with store.begin() as transaction:
        organizations = transaction.of(Organization)
        for each in await organizations.find():
            await organizations.put(replace(each, tier=Tier.PREMIUM))
