"""Counts the uses of keys while requests pass, and tells `auth` beside them."""

import asyncio

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Kind
from headrace_common.ids import uuid7
from headrace_common.logs import get_logger
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.key_uses import UseBatch, UseCounts
from headrace_gateway.domain.principal import API_KEY_PREFIX, Principal
from headrace_gateway.ports import UseReports

MAXIMUM_KEYS = 20_000
BATCH_SIZE = 2000
"""Keys; as in `auth`."""


class KeyUses:
    """A batch is sent until it is acknowledged; what is used meanwhile waits for the next one."""

    def __init__(
        self,
        reports: UseReports,
        clock: Clock,
        *,
        report_seconds: float,
        maximum_keys: int = MAXIMUM_KEYS,
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._report_seconds = report_seconds
        self._counts = UseCounts(maximum_keys)
        self._sent: UseBatch | None = None
        """Not acknowledged yet: `auth` may have it or not, so it goes again as it was."""

    def count(self, exchange: Exchange, principal: Principal) -> None:
        """One use more, if it was a key that identified the principal."""
        if exchange.signed is not None or exchange.credential.startswith(API_KEY_PREFIX):
            self._counts.add(principal.credential_id, exchange.occurred_at)

    async def keep_reporting(self) -> None:
        """Report every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(self._report_seconds)
            await self.report()

    async def report(self) -> None:
        """Tell all that has been counted; while `auth` does not answer, it is kept."""
        try:
            while batch := self._next_batch():
                await self._send(batch)
                self._sent = None
        except HeadraceError as error:
            get_logger().warning("key_uses_not_reported", reason=error.reason.value)
        if missed := self._counts.take_missed():
            get_logger().warning("key_uses_missed", count=missed)

    def _next_batch(self) -> UseBatch | None:
        if self._sent is None and (uses := self._counts.take(BATCH_SIZE)):
            self._sent = UseBatch(uuid7(self._clock.now()), uses)
        return self._sent

    async def _send(self, batch: UseBatch) -> None:
        try:
            await self._reports.report(batch)
        except HeadraceError as error:
            if error.kind not in (Kind.INVALID, Kind.TOO_LARGE):
                raise
            # It would be refused for ever, and hold up all others.
            get_logger().error("key_uses_refused", reason=error.reason.value)
