"""What the cache needs from outside."""

from typing import Protocol


class EntryStore(Protocol):
    """Keeps payloads by name for a limited time; may forget earlier."""

    async def get(self, name: str) -> bytes | None:
        """The payload, or None; raises HeadraceError (DEPENDENCY_UNAVAILABLE) if it cannot tell."""

    async def put(self, name: str, payload: bytes, seconds: int) -> None:
        """Keep `payload` for `seconds`; raises HeadraceError (DEPENDENCY_UNAVAILABLE)."""

    async def ping(self) -> None:
        """Return if the store answers; raises HeadraceError (DEPENDENCY_UNAVAILABLE)."""

    async def close(self) -> None:
        """Let go of connections."""
