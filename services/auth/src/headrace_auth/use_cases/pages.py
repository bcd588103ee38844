"""Pages of records, newest first."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from headrace_auth.domain.paging import Position
from headrace_auth.domain.records import Record, key_of
from headrace_auth.ports import Records

T = TypeVar("T")
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and where the next one starts; None on the last page."""

    items: list[T]
    next_position: Position | None = None

    @property
    def next_page_token(self) -> str:
        """Empty on the last page."""
        return self.next_position.to_token() if self.next_position else ""


async def page_of(records: Records[R], after: Position | None, size: int, **equals: Any) -> Page[R]:
    """At most `size` records with these values after a position."""
    found = await records.page(after, size + 1, **equals)
    if len(found) <= size:
        return Page(found)
    last: Any = found[size - 1]
    return Page(found[:size], Position(last.created_at, key_of(last)[0]))
