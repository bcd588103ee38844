"""The Store in PostgreSQL, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.announcements import PostgresAnnouncements
from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.key_uses import PostgresKeyUses
from headrace_auth.adapters.postgres.principals import PostgresPrincipals
from headrace_auth.adapters.postgres.records import PostgresRecords, TableOf
from headrace_auth.adapters.postgres.signing_keys import PostgresSigningKeys
from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.api_keys import ApiKey, ApiKeyUse
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import (
    Invitation,
    LinkedIdentity,
    Membership,
    Organization,
    Team,
    User,
)
from headrace_auth.domain.lockout import LoginFailures
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationCode, AuthorizationRequest
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.records import Record
from headrace_auth.domain.sessions import (
    OneTimeToken,
    RecoveryCode,
    RefreshToken,
    SecondFactor,
    Session,
)
from headrace_common.postgres_reads import ReadPool

R = TypeVar("R", bound=Record)
MIGRATIONS = Path(__file__).parent.parent / "migrations"

TABLES: tuple[tuple[Any, Table], ...] = (
    (ApiKey, tables.api_keys),
    (ApiKeyUse, tables.api_key_uses),
    (AuthorizationCode, tables.authorization_codes),
    (AuthorizationRequest, tables.authorization_requests),
    (BudgetRecord, tables.budgets),
    (Invitation, tables.invitations),
    (LimitRecord, tables.limits),
    (LinkedIdentity, tables.linked_identities),
    (LoginFailures, tables.login_failures),
    (Membership, tables.memberships),
    (OAuthClient, tables.oauth_clients),
    (OneTimeToken, tables.one_time_tokens),
    (Organization, tables.organizations),
    (OutboxEvent, tables.outbox_events),
    (PriceTable, tables.price_tables),
    (RecoveryCode, tables.recovery_codes),
    (RefreshToken, tables.refresh_tokens),
    (Revocation, tables.revocations),
    (SecondFactor, tables.second_factors),
    (Session, tables.sessions),
    (Team, tables.teams),
    (User, tables.users),
)


class PostgresTransaction:
    """A Transaction on one connection."""

    def __init__(self, connection: AsyncConnection, tables_of: dict[Any, TableOf[Any]]) -> None:
        self._connection = connection
        self._tables_of = tables_of

    def of(self, record_type: type[R]) -> PostgresRecords[R]:
        return PostgresRecords(self._connection, self._tables_of[record_type])

    async def alone(self, name: str) -> None:
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        await self._connection.execute(lock, {"name": f"auth:{name}"})

    async def now(self) -> datetime:
        result = await self._connection.execute(select(func.clock_timestamp()))
        moment: datetime = result.scalar_one()
        return moment


class PostgresStore:
    """Everything that auth keeps, over a migrated schema.

    What every request waits for goes through a pool of its own, of `readers` connections: it waits
    for nobody's login, and costs one round trip. Close the store when done.
    """

    def __init__(self, engine: AsyncEngine, *, timeout_seconds: float, readers: int = 8) -> None:
        self._database = Database(engine, timeout_seconds=timeout_seconds)
        self._reads = ReadPool(engine, size=readers, timeout_seconds=timeout_seconds)
        self._tables_of = {
            record_type: TableOf(record_type, table) for record_type, table in TABLES
        }
        self.principals = PostgresPrincipals(self._reads)
        self.announcements = PostgresAnnouncements(self._database)
        self.signing_keys = PostgresSigningKeys(self._database)
        self.key_uses = PostgresKeyUses(self._database)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresTransaction]:
        async with self._database.writing() as connection:
            yield PostgresTransaction(connection, self._tables_of)

    async def close(self) -> None:
        """Close what is not the engine's."""
        await self._reads.close()
