"""The Store in PostgreSQL, put together."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.postgres.api_keys import PostgresApiKeys
from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.signing_keys import PostgresSigningKeys
from headrace_auth.adapters.postgres.users import PostgresUsers

MIGRATIONS = Path(__file__).parent.parent / "migrations"


class PostgresStore:
    """Everything that auth keeps, over one connection pool and a migrated schema."""

    def __init__(self, engine: AsyncEngine, *, timeout_seconds: float) -> None:
        database = Database(engine, timeout_seconds=timeout_seconds)
        self.users = PostgresUsers(database)
        self.api_keys = PostgresApiKeys(database)
        self.signing_keys = PostgresSigningKeys(database)
