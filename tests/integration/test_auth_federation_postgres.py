"""Logins through identity providers over PostgreSQL: what comes at once, and what is kept."""

from dataclasses import replace

import pytest

from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.testing.account_suite import invite
from headrace_auth.testing.accounts import AccountWorld
from headrace_auth.testing.directory import ACME
from headrace_auth.testing.federation import ADA, FederationWorld, federation_world
from headrace_auth.testing.federation_suite import FederationRacesSuite


@pytest.fixture
def world(accounts_in_postgres: AccountWorld) -> FederationWorld:
    return federation_world(accounts_in_postgres)


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
