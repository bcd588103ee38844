"""Connections to PostgreSQL; each use has a deadline, and an outage is told as such."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from headrace_common.postgres import translate_database_errors


class Database:
    """An engine, and the deadline in seconds for each use of one of its connections."""

    def __init__(self, engine: AsyncEngine, *, timeout_seconds: float) -> None:
        self._engine = engine
        # A single SELECT needs no BEGIN and ROLLBACK around it: two round trips saved.
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._timeout_seconds = timeout_seconds

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction; raises DEPENDENCY_UNAVAILABLE."""
        with translate_database_errors():
            async with asyncio.timeout(self._timeout_seconds), self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end; raises DEPENDENCY_UNAVAILABLE."""
        with translate_database_errors():
            async with asyncio.timeout(self._timeout_seconds), self._engine.begin() as connection:
                yield connection
