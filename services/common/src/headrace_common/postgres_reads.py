"""Single SELECTs on bare connections, for the few queries that every request waits for.

SQLAlchemy asks four times over the wire for one such query, for its ping is a transaction of its
own, and takes longer over it than PostgreSQL; asyncpg's own pool adds 0.16 ms to each use. Here it
is one round trip, of a statement that asyncpg keeps prepared, on a connection that is not asked
first whether it lives. If it turns out not to, another one is taken: a SELECT may be repeated.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
from sqlalchemy import Select, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_common.postgres import translate_database_errors

DIALECT = "postgresql+asyncpg://"

LOST = (
    ConnectionError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,  # asked between the server's farewell and its hanging up
)
"""What a connection raises that the server has ended."""


class Row(Protocol):
    """A row's values by the names of their columns, and all of them in order."""

    def __getitem__(self, name: str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT as text, and the names of its arguments in order, constants with their values."""

    text: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    @classmethod
    def of(cls, statement: Select[Any]) -> "Query":
        """Compiled once; every `bindparam` without a value is an argument."""
        compiled = statement.compile(dialect=make_url(DIALECT).get_dialect()())
        names = tuple(compiled.positiontup or ())
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return cls(compiled.string, names, constants)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] if name in values else self.constants[name] for name in self.names]


class ReadPool:
    """At most `size` connections, opened when needed; each use has a deadline in seconds."""

    def __init__(self, engine: AsyncEngine, *, size: int, timeout_seconds: float) -> None:
        """To where `engine` leads; it opens nothing yet."""
        _, options = engine.dialect.create_connect_args(engine.url)
        # What the URL may say to SQLAlchemy alone.
        self._options = {k: v for k, v in options.items() if not k.startswith("prepared_")}
        self._timeout_seconds = timeout_seconds
        self._places = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection] = []

    async def fetch_one(self, query: Query, **values: Any) -> Row | None:
        """The only row, UUIDs as text and JSON decoded, or None; raises DEPENDENCY_UNAVAILABLE."""
        arguments = query.arguments(values)
        with translate_database_errors():
            async with asyncio.timeout(self._timeout_seconds), self._places:
                while self._idle:
                    connection = self._idle.pop()
                    with suppress(*LOST):
                        return await self._ask(connection, query.text, arguments)
                return await self._ask(await self._connect(), query.text, arguments)

    async def close(self) -> None:
        """Cut all connections that are not in use."""
        while self._idle:
            self._idle.pop().terminate()

    async def _ask(
        self, connection: asyncpg.Connection, text: str, arguments: list[Any]
    ) -> Row | None:
        try:
            row: Row | None = await connection.fetchrow(text, *arguments)
        except BaseException:
            # Also when the caller left: what is still to come must not reach the next one.
            connection.terminate()
            raise
        self._idle.append(connection)
        return row

    async def _connect(self) -> asyncpg.Connection:
        connection: asyncpg.Connection = await asyncpg.connect(**self._options)
        try:
            for name, encode, decode in (("uuid", str, str), ("jsonb", json.dumps, json.loads)):
                await connection.set_type_codec(
                    name, schema="pg_catalog", encoder=encode, decoder=decode
                )
        except BaseException:
            connection.terminate()
            raise
        return connection
