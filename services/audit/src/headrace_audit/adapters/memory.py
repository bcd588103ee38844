"""An EventStore in this process's memory, for tests and single-process use."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from headrace_audit.domain.events import Event


class MemoryEventStore:
    """Keeps everything until the process ends; `events` are in the order of their arrival."""

    def __init__(self) -> None:
        self._events: dict[UUID, Event] = {}

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(self._events.values())

    async def add(self, events: Sequence[Event], received_at: datetime) -> int:
        before = len(self._events)
        for event in events:
            self._events.setdefault(event.event_id, event)
        return len(self._events) - before

    async def close(self) -> None:
        self._events.clear()
