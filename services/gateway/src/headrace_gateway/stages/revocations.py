"""What has ended lately, asked of `auth` every second."""

import asyncio
from datetime import datetime, timedelta

from cachetools import TTLCache

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import Revocations

POLL_SECONDS = 0.8
"""With the question's own time a revocation is seen within a second."""
OVERLAP = timedelta(seconds=10)
"""Asked for again each time: a transaction may commit later than its own clock says."""
SKEW = timedelta(minutes=2)
"""How much the clocks of gateways and the database may differ."""
MAXIMUM_ENDED = 100_000
MAXIMUM_PAGES = 20
"""In one go; where more has ended there is no pause before the next."""


class Ended:
    """Which principals have ended; admission's Redis tells so too, at once, while it answers."""

    def __init__(self, revocations: Revocations, clock: Clock, *, keep_seconds: float) -> None:
        """`keep_seconds` is at least as long as principals are kept."""
        self._revocations = revocations
        self._known: TTLCache[tuple[str, str], None] = TTLCache(
            MAXIMUM_ENDED, keep_seconds, timer=clock.monotonic
        )
        # Nobody was known before: `auth` itself tells what had ended when it resolves a credential.
        self._since: datetime = clock.now() - SKEW
        self._next_page = ""
        self._first_page_at: datetime | None = None

    def has(self, principal: Principal) -> bool:
        """Whether one of the principal's revocation ids was announced."""
        known, organization_id = self._known, principal.organization_id
        return any((organization_id, each) in known for each in principal.revocation_ids)

    async def keep_fresh(self) -> None:
        """Ask every second, until cancelled; an `auth` that does not answer is asked again."""
        while True:
            more = False
            try:
                more = await self.refresh()
            except HeadraceError as error:
                get_logger().warning("revocations_not_fetched", reason=error.reason.value)
            if not more:
                await asyncio.sleep(POLL_SECONDS)

    async def refresh(self) -> bool:
        """Ask for the next pages, at most so many; whether there are more. Raises HeadraceError.

        What was read is known at once. Who asks again goes on at the page that was not read.
        """
        for _ in range(MAXIMUM_PAGES):
            if not await self._read_page():
                return False
        return True

    async def _read_page(self) -> bool:
        """Whether another page follows."""
        try:
            page = await self._revocations.since(self._since, self._next_page)
        except HeadraceError as error:
            if error.reason is Reason.INVALID_FIELD:
                # An `auth` of another release does not know the place: from the beginning again.
                self._next_page, self._first_page_at = "", None
            raise
        for each in page.ended:
            self._known[each] = None
        # What is committed while pages are read may lie before the place that was reached.
        first_page_at = self._first_page_at or page.now
        if page.next_page:
            self._next_page, self._first_page_at = page.next_page, first_page_at
            return True
        self._next_page, self._first_page_at = "", None
        self._since = first_page_at - OVERLAP
        return False
