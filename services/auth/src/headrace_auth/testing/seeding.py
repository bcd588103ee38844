"""Fills any Store with the directory."""

from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, Organization, Team, User, UserKind
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import Role
from headrace_auth.ports import Store
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    BUDGETS,
    CREATED_AT,
    GLOBEX,
    LIMITS,
    PEOPLE,
    SERVICE,
)

FREE = {"input_micros_per_million_tokens": 0, "output_micros_per_million_tokens": 0}


async def price(store: Store, model: str) -> None:
    """Give a model a price, without which nobody with a budget may use it: nothing."""
    table = PriceTable(1, BUDGETS[0][1].currency, {model: FREE}, CREATED_AT, "", CREATED_AT)
    async with store.begin() as transaction:
        await transaction.of(PriceTable).add(table)


async def seed(store: Store, password_hash: str) -> None:
    """Two organisations; every person has the same password and a verified address."""
    async with store.begin() as transaction:
        organizations = transaction.of(Organization)
        await organizations.add(Organization(ACME, "acme", CREATED_AT, platform=True))
        await organizations.add(Organization(GLOBEX, "globex", CREATED_AT))
        await transaction.of(Team).add(Team(ACME_TEAM, ACME, "team", CREATED_AT))
        for person in PEOPLE:
            service = person is SERVICE
            user = User(
                user_id=person.user_id,
                email=None if service else person.email,
                created_at=CREATED_AT,
                password_hash=None if service else password_hash,
                kind=UserKind.SERVICE if service else UserKind.PERSON,
                email_verified_at=None if service else CREATED_AT,
            )
            await transaction.of(User).add(user)
            for organization_id, role, team_id in person.joined:
                membership = Membership(
                    person.user_id, organization_id, Role(role), CREATED_AT, team_id
                )
                await transaction.of(Membership).add(membership)
        for owner, limit in LIMITS:
            await transaction.of(LimitRecord).add(LimitRecord.of(owner, limit))
        for owner, budget in BUDGETS:
            await transaction.of(BudgetRecord).add(BudgetRecord.of(owner, budget))
