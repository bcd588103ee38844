"""Logins through identity providers over PostgreSQL: what comes at once, and what is kept."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.testing.account_suite import invite
from headrace_auth.testing.accounts import account_world
from headrace_auth.testing.directory import ACME
from headrace_auth.testing.federation import ADA, FederationWorld, federation_world
from headrace_auth.testing.federation_suite import FederationRacesSuite
from headrace_common.postgres import create_engine, migrate
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def world(postgres_url: str) -> AsyncIterator[FederationWorld]:
    await migrate(postgres_url, MIGRATIONS, tables.SCHEMA)
    engine = create_engine(postgres_url)
    store = PostgresStore(engine, timeout_seconds=5)
    async with account_world(store, FakeClock()) as accounts:
        yield federation_world(accounts)
    await store.close()
    await engine.dispose()


class TestFederationInPostgres(FederationRacesSuite):
    pass


async def test_an_invited_newcomer_joins_and_can_unlink_a_second_identity(
    world: FederationWorld,
) -> None:
    invited = federation_world(world.accounts, RegistrationMode.INVITATION)
    await invite(world.accounts, "ada@new.test")
    result = await invited.log_in()
    assert result.principal.member.organization_id == ACME
    ada = await world.accounts.caller(result)
    odd = replace(ADA, subject="a/b c'\"%2F|~" + "x" * 240, email=None, email_verified=False)
    await invited.link(ada, odd)
    assert len(await world.identities.list(ada)) == 2
    await world.unlink(ada, odd.subject)
    assert [each.subject for each in await world.identities.list(ada)] == ["ada"]
