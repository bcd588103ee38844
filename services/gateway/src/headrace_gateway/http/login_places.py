"""Places for requests of strangers who log in; no source address takes more than its share."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from headrace_common.errors import HeadraceError, Reason
from headrace_common.net import source_of

SHARE = 4
"""One address has a quarter of the places: whoever fills those harms itself alone."""


class LoginPlaces:
    """How many requests that log in are in flight, and from where; no more entries than places."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._share = max(1, maximum // SHARE)
        self._taken_by: Counter[str] = Counter()

    @property
    def sources(self) -> Collection[str]:
        """Who holds places now, and nobody else."""
        return self._taken_by.keys()

    @contextmanager
    def taken(self, address: str) -> Iterator[None]:
        """A place until the block ends, for an address or for callers who have none.

        Raises QUEUE_FULL if all places are taken, REQUEST_RATE_LIMITED if the address has its own.
        """
        source = source_of(address) if address else ""
        if self._taken_by.total() >= self._maximum:
            raise HeadraceError(
                Reason.QUEUE_FULL, "Too many requests in flight.", retry_after_seconds=1
            )
        if self._taken_by[source] >= self._share:
            raise HeadraceError(
                Reason.REQUEST_RATE_LIMITED,
                "Too many requests of this address are in flight.",
                retry_after_seconds=1,
            )
        self._taken_by[source] += 1
        try:
            yield
        finally:
            self._taken_by[source] -= 1
            if not self._taken_by[source]:
                del self._taken_by[source]
