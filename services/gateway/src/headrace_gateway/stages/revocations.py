"""What has ended lately, asked of `auth` every second."""

import asyncio
from datetime import datetime, timedelta

from cachetools import TTLCache

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError
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

    def has(self, principal: Principal) -> bool:
        """Whether one of the principal's revocation ids was announced."""
        known, organization_id = self._known, principal.organization_id
        return any((organization_id, each) in known for each in principal.revocation_ids)

    async def keep_fresh(self) -> None:
        """Ask every second, until cancelled; an `auth` that does not answer is asked again."""
        while True:
            try:
                await self.refresh()
            except HeadraceError as error:
                get_logger().warning("revocations_not_fetched", reason=error.reason.value)
            await asyncio.sleep(POLL_SECONDS)

    async def refresh(self) -> None:
        """Ask once; raises HeadraceError."""
        ended, now = await self._revocations.since(self._since)
        for each in ended:
            self._known[each] = None
        self._since = now - OVERLAP
