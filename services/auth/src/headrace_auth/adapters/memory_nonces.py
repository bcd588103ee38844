"""Nonces in this process's memory, for tests and trials."""

from datetime import datetime, timedelta

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason


class MemoryNonces:
    """Nonces over a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept_until: dict[tuple[str, str], datetime] = {}
        self.unavailable = False

    async def burn(self, key_id: str, nonce: str, kept_for: timedelta) -> bool:
        if self.unavailable:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "Redis does not answer")
        now = self._clock.now()
        for each in [each for each, until in self._kept_until.items() if until <= now]:
            del self._kept_until[each]
        if (key_id, nonce) in self._kept_until:
            return False
        self._kept_until[key_id, nonce] = now + kept_for
        return True
