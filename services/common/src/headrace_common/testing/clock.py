"""A clock that stands still until told to move."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A Clock for tests; `advance` moves wall clock and monotonic clock together."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
