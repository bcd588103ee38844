"""What the calls in flight may take, and of that each organisation only its share."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from headrace_common.errors import HeadraceError, Reason


class Room:
    """Counts calls and the bytes of their requests, which stay in memory until the answer."""

    def __init__(self, *, calls: int, bytes_in_flight: int, share: float) -> None:
        """`share` is the part of both that one organisation may take."""
        self._bytes = bytes_in_flight
        self._calls_each = share * calls
        self._bytes_each = share * bytes_in_flight
        self._calls_of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()

    @contextmanager
    def taken(self, organization_id: str, size: int) -> Iterator[None]:
        """A place for a request of so many bytes; raises QUEUE_FULL if there is none."""
        if self._calls_of[organization_id] + 1 > self._calls_each:
            raise _full("This organization has too many requests in flight.")
        if self._bytes_of.total() + size > self._bytes:
            raise _full("The requests in flight take too much memory.")
        if self._bytes_of[organization_id] + size > self._bytes_each:
            raise _full("This organization's requests in flight take too much memory.")
        self._calls_of[organization_id] += 1
        self._bytes_of[organization_id] += size
        try:
            yield
        finally:
            self._calls_of[organization_id] -= 1
            self._bytes_of[organization_id] -= size
            if not self._calls_of[organization_id]:
                del self._calls_of[organization_id], self._bytes_of[organization_id]


def _full(message: str) -> HeadraceError:
    return HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=1)
