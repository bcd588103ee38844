"""How long an engine at work has said nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from headrace_common.clock import Clock


class Silence:
    """Counts the time in which it had work and was not heard, whoever came or left meanwhile.

    Neither a new request nor one that gives up is a sign of life: else callers who come and go
    would hide that the engine hangs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._works = 0
        self._counted_until = 0.0
        self._seconds = 0.0

    @contextmanager
    def work(self) -> Iterator[None]:
        """For the length of the block the engine has this to do."""
        self._count()
        self._works += 1
        try:
            yield
        finally:
            self._count()
            self._works -= 1

    def hear(self) -> None:
        """It has shown that it works."""
        self._count()
        self._seconds = 0.0

    def seconds(self) -> float:
        """Since it was last heard, without times in which it had nothing to do; 0 without work."""
        self._count()
        return self._seconds if self._works else 0.0

    def _count(self) -> None:
        now = self._clock.monotonic()
        if self._works:
            self._seconds += now - self._counted_until
        self._counted_until = now
