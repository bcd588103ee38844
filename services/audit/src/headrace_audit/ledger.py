"""The service's one use case: record a batch of events."""

from collections.abc import Sequence

from headrace_audit.domain.events import Event
from headrace_audit.domain.rules import check_batch_size, check_event
from headrace_audit.ports import EventStore
from headrace_common.clock import Clock


class Ledger:
    """Accepts events that keep the rules and stores each of them once."""

    def __init__(self, store: EventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def record(self, events: Sequence[Event]) -> int:
        """Store all of a batch or nothing; returns how many were new."""
        check_batch_size(len(events))
        for index, event in enumerate(events):
            check_event(event, f"events[{index}]")
        return await self._store.add(events, self._clock.now())
