"""Fills a Store with the directory, each adapter in its own way."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.memory import MemoryMembership, MemoryStore, MemoryUser
from headrace_auth.adapters.postgres import tables
from headrace_auth.domain.principal import Role
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    BUDGETS,
    CREATED_AT,
    GLOBEX,
    LIMITS,
    PEOPLE,
)


def seed_memory(store: MemoryStore, password_hash: str) -> None:
    """Everybody has the same password."""
    for person in PEOPLE:
        user = MemoryUser(person.user_id, person.email, password_hash)
        store.tables.users[person.user_id] = user
        for organization_id, role, team_id in person.joined:
            membership = MemoryMembership(person.user_id, organization_id, role, team_id)
            store.tables.memberships[person.user_id, organization_id] = membership
    store.tables.limits.extend(LIMITS)
    store.tables.budgets.extend(BUDGETS)


async def seed_postgres(engine: AsyncEngine, password_hash: str) -> None:
    """Everybody has the same password; the schema must be there."""
    rows: list[tuple[Any, list[dict[str, Any]]]] = [
        (
            tables.organizations,
            [_created(id=ACME, name="acme"), _created(id=GLOBEX, name="globex")],
        ),
        (tables.teams, [_created(id=ACME_TEAM, organization_id=ACME, name="team")]),
        (
            tables.users,
            [
                _created(
                    id=person.user_id,
                    email=person.email,
                    password_hash=password_hash,
                    token_version=1,
                )
                for person in PEOPLE
            ],
        ),
        (tables.memberships, _memberships()),
        (tables.limits, [_consumption(owner, limit) for owner, limit in LIMITS]),
        (tables.budgets, [_consumption(owner, budget) for owner, budget in BUDGETS]),
    ]
    async with engine.begin() as connection:
        for table, values in rows:
            await connection.execute(insert(table), values)


def _memberships() -> list[dict[str, Any]]:
    return [
        _created(
            user_id=person.user_id,
            organization_id=organization_id,
            role=Role(role).value,
            team_id=team_id,
        )
        for person in PEOPLE
        for organization_id, role, team_id in person.joined
    ]


def _created(**values: Any) -> dict[str, Any]:
    return {**values, "created_at": CREATED_AT}


def _consumption(organization_id: str, item: Any) -> dict[str, Any]:
    values = asdict(item)
    subject_type = values.pop("subject")
    return {**values, "organization_id": organization_id, "subject_type": subject_type}
