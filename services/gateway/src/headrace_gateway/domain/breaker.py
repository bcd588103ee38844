"""When to stop asking a dependency that does not answer, and when to try again."""

from headrace_common.clock import Clock


class Breaker:
    """Opens after so many failures in a row; after a pause one call at a time may try."""

    def __init__(self, clock: Clock, *, failures: int, pause_seconds: float) -> None:
        self._clock = clock
        self._maximum = failures
        self._pause_seconds = pause_seconds
        self._failures = 0
        self._try_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._maximum

    def allows(self) -> bool:
        """Whether to make a call; while open, one may after each pause."""
        if not self.is_open:
            return True
        now = self._clock.monotonic()
        if now < self._try_at:
            return False
        self._try_at = now + self._pause_seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._try_at = self._clock.monotonic() + self._pause_seconds
