"""What the audit service needs from outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from headrace_audit.domain.events import Event


class EventStore(Protocol):
    """Keeps events for good, each id once."""

    async def add(self, events: Sequence[Event], received_at: datetime) -> int:
        """Store what is not there yet, all or nothing; returns how many were new.

        They are durable when it returns. Raises HeadraceError (DEPENDENCY_UNAVAILABLE).
        """

    async def close(self) -> None:
        """Let go of connections."""
