"""Records in PostgreSQL: any record type over the table that holds it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Insert,
    Table,
    Tuple,
    Update,
    Uuid,
    and_,
    delete,
    false,
    insert,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from headrace_auth.domain.paging import Position
from headrace_auth.domain.records import Record, key_of
from headrace_auth.domain.refusals import already_exists

R = TypeVar("R", bound=Record)
UNIQUE_VIOLATION = "23505"


class TableOf(Generic[R]):
    """How records of a type become rows and back; built once per type."""

    def __init__(self, record_type: type[R], table: Table) -> None:
        """A field `<kind>_id` that has no column of its name is the table's column `id`."""
        self.record_type = record_type
        self.kind = record_type.KIND
        self.table = table
        hints = get_type_hints(record_type)
        self._decoders = {field.name: _decoder(hints[field.name]) for field in fields(record_type)}
        self._columns = {
            name: table.c[name if name in table.c else "id"] for name in self._decoders
        }

    def column(self, field: str) -> ColumnElement[Any]:
        return self._columns[field]

    def columns(self) -> list[ColumnElement[Any]]:
        """In the order of the record's fields."""
        return list(self._columns.values())

    def has_key(self, key: tuple[Any, ...]) -> ColumnElement[bool]:
        return self.equals(dict(zip(self.kind.key, key, strict=True)))

    def equals(self, values: Mapping[str, Any]) -> ColumnElement[bool]:
        """What no row can hold is in none: callers name things by any text they like."""
        if not all(self.can_hold(name, value) for name, value in values.items()):
            return false()
        return and_(true(), *(self._is(name, value) for name, value in values.items()))

    def _is(self, field: str, wanted: Any) -> ColumnElement[bool]:
        column, value = self.column(field), _encoded(wanted)
        return column.in_(value) if isinstance(wanted, frozenset) else column.__eq__(value)

    def can_hold(self, field: str, value: Any) -> bool:
        """Whether PostgreSQL takes the value for this field's column; other types always fit."""
        if not isinstance(value, str):
            return True
        return _is_uuid(value) if isinstance(self.column(field).type, Uuid) else "\0" not in value

    def values(self, record: R) -> dict[str, Any]:
        """By column name."""
        return {
            str(column.name): _encoded(getattr(record, name))
            for name, column in self._columns.items()
        }

    def record(self, row: Iterable[Any]) -> R:
        """From a row that begins with `columns`."""
        pairs = zip(self._decoders.values(), row, strict=False)
        return self.record_type(*(decode(value) for decode, value in pairs))


class PostgresRecords(Generic[R]):
    """Records of one type on a connection, within its transaction."""

    def __init__(self, connection: AsyncConnection, table_of: TableOf[R]) -> None:
        self._connection = connection
        self._of = table_of

    async def get(self, *key: Any, lock: bool = False) -> R | None:
        query = select(*self._of.columns()).where(self._of.has_key(key))
        if lock:
            # Not against new records that refer to this one: who adds such a record may hold what
            # the holder of this lock waits for.
            query = query.with_for_update(key_share=True)
        row = (await self._connection.execute(query)).first()
        return self._of.record(row) if row else None

    async def find(self, **equals: Any) -> list[R]:
        keys = [self._of.column(name) for name in self._of.kind.key]
        query = select(*self._of.columns()).where(self._of.equals(equals)).order_by(*keys)
        return [self._of.record(row) for row in await self._connection.execute(query)]

    async def by_key(self, after: tuple[Any, ...] | None, size: int, **equals: Any) -> list[R]:
        keys = [self._of.column(name) for name in self._of.kind.key]
        query = select(*self._of.columns()).where(self._of.equals(equals)).order_by(*keys)
        if after is not None:
            query = query.where(tuple_(*keys) > _row(keys, after))
        result = await self._connection.execute(query.limit(size))
        return [self._of.record(row) for row in result]

    async def page(self, after: Position | None, size: int, **equals: Any) -> list[R]:
        id_field = self._of.kind.key[0]
        if after is not None and not self._of.can_hold(id_field, after.item_id):
            return []
        place = (self._of.column("created_at"), self._of.column(id_field))
        query = (
            select(*self._of.columns())
            .where(self._of.equals(equals))
            .order_by(*(column.desc() for column in place))
            .limit(size)
        )
        if after is not None:
            query = query.where(tuple_(*place) < _row(place, (after.created_at, after.item_id)))
        return [self._of.record(row) for row in await self._connection.execute(query)]

    async def add(self, record: R) -> None:
        await self._write(insert(self._of.table).values(self._of.values(record)))

    async def put(self, record: R) -> None:
        change = (
            update(self._of.table)
            .where(self._of.has_key(key_of(record)))
            .values(self._of.values(record))
        )
        if await self._write(change) != 1:
            raise LookupError(f"no such {self._of.kind.name}")

    async def remove(self, *key: Any) -> None:
        await self._connection.execute(delete(self._of.table).where(self._of.has_key(key)))

    async def purge(self, field: str, before: datetime, size: int) -> int:
        keys = [self._of.column(name) for name in self._of.kind.key]
        old = select(*keys).where(self._of.column(field) < before).limit(size)
        forget = delete(self._of.table).where(tuple_(*keys).in_(old))
        result = await self._connection.execute(forget)
        return int(result.rowcount)

    async def _write(self, statement: Insert | Update) -> int:
        """Within a savepoint, so that the transaction goes on after a conflict."""
        try:
            async with self._connection.begin_nested():
                return int((await self._connection.execute(statement)).rowcount)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", "") != UNIQUE_VIOLATION:
                raise
            raise already_exists(self._of.kind.name, self._of.kind.chosen) from error


def _is_uuid(text: str) -> bool:
    """Only as it is written here: two spellings would be one id in PostgreSQL alone."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _row(columns: Iterable[ColumnElement[Any]], values: Iterable[Any]) -> Tuple:
    """Values to compare with those columns, each of its column's type."""
    return tuple_(*map(_encoded, values), types=[column.type for column in columns])


def _encoded(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(_encoded(item) for item in value)
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    return value


def _decoder(hint: Any) -> Callable[[Any], Any]:
    """From what asyncpg gives to what a field of this type holds."""
    arguments = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is UnionType:
        inner = _decoder(arguments[0])
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) in (frozenset, tuple):
        collect, item = get_origin(hint), _decoder(arguments[0])
        return lambda value: collect(item(part) for part in value)
    if isinstance(hint, type) and issubclass(hint, (Enum, bytes)):
        return hint
    return lambda value: value
