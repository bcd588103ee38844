"""Places for requests of strangers who log in; no source address takes more than its share."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

from headrace_common.errors import HeadraceError, Reason

SHARE = 4
"""One address has a quarter of the places: whoever fills those harms itself alone."""
IPV6_PREFIX_BITS = 64
"""What one customer or machine gets: whoever has one address of it has all of them."""


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
        source = _source(address)
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


def _source(address: str) -> str:
    """Whom an address stands for: itself, or of IPv6 its /64."""
    parsed = ip_address(address) if address else None
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), IPV6_PREFIX_BITS), strict=False))
