"""Records in this process's memory, with the uniqueness that a database would enforce."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from headrace_auth.domain.paging import Position
from headrace_auth.domain.records import Record, key_of
from headrace_auth.domain.refusals import already_exists

R = TypeVar("R", bound=Record)
Rows = dict[type[Any], dict[tuple[Any, ...], Any]]
"""The records by type and key."""


class MemoryRecords(Generic[R]):
    """Records of one type among the rows of a transaction."""

    def __init__(self, record_type: type[R], rows: Rows) -> None:
        self._kind = record_type.KIND
        self._rows: dict[tuple[Any, ...], R] = rows.setdefault(record_type, {})

    async def get(self, *key: Any, lock: bool = False) -> R | None:  # noqa: ARG002
        return self._rows.get(key)

    async def find(self, **equals: Any) -> list[R]:
        found = [key for key, record in self._rows.items() if _has(record, equals)]
        return [self._rows[key] for key in sorted(found)]

    async def by_key(self, after: tuple[Any, ...] | None, size: int, **equals: Any) -> list[R]:
        found = await self.find(**equals)
        return [record for record in found if after is None or key_of(record) > after][:size]

    async def page(self, after: Position | None, size: int, **equals: Any) -> list[R]:
        found = [
            (Position(getattr(record, "created_at"), key[0]), record)  # noqa: B009 - any record
            for key, record in self._rows.items()
            if _has(record, equals)
        ]
        found.sort(key=lambda item: item[0], reverse=True)
        return [record for place, record in found if after is None or place < after][:size]

    async def add(self, record: R) -> None:
        if key_of(record) in self._rows:
            raise already_exists(self._kind.name, self._kind.chosen)
        self._check_unique(record)
        self._rows[key_of(record)] = record

    async def put(self, record: R) -> None:
        if key_of(record) not in self._rows:
            raise LookupError(f"no such {self._kind.name}")
        self._check_unique(record)
        self._rows[key_of(record)] = record

    async def remove(self, *key: Any) -> None:
        self._rows.pop(key, None)

    async def purge(self, field: str, before: datetime, size: int) -> int:
        old = [key for key, record in self._rows.items() if getattr(record, field) < before][:size]
        for key in old:
            del self._rows[key]
        return len(old)

    def _check_unique(self, record: R) -> None:
        for names in self._kind.unique:
            values = [getattr(record, name) for name in names]
            if None in values:
                continue
            for other in self._rows.values():
                same = [getattr(other, name) for name in names] == values
                if same and key_of(other) != key_of(record):
                    raise already_exists(self._kind.name, self._kind.chosen)


def _has(record: Any, equals: dict[str, Any]) -> bool:
    return all(_is(getattr(record, name), value) for name, value in equals.items())


def _is(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, frozenset) else bool(value == wanted)
