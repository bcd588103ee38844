"""Moves records from a spool to their receiver: at least once, in order, however long it takes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from headrace_common.errors import HeadraceError, Kind
from headrace_common.logs import get_logger
from headrace_common.spool.reader import Record
from headrace_common.spool.spool import Spool

T = TypeVar("T")
Send = Callable[[list[bytes]], Awaitable[None]]
"""Returns when the receiver has made all payloads durable.

Raises HeadraceError of kind INVALID or TOO_LARGE when one of them can never be accepted; any other
exception means that trying again may help.
"""

HOPELESS = (Kind.INVALID, Kind.TOO_LARGE)


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is sent at once, how long one try may take, and the pauses between tries."""

    batch_records: int = 250
    gather_seconds: float = 0.1
    """What is appended so soon after another record goes with it, for a batch costs the receiver
    about as much as a record does: sent one by one they took a fifth of a request's CPU time."""
    send_seconds: float = 5.0
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0

    def pause_seconds(self, attempt: int, chance: float) -> float:
        """Exponential backoff with jitter over its upper half; `chance` is from 0 to 1."""
        grown = self.first_pause_seconds * 2.0 ** min(attempt, 30)
        ceiling = min(self.longest_pause_seconds, grown)
        return ceiling * (1 + chance) / 2


DEFAULT_POLICY = Policy()


class Delivery:
    """The one consumer of a spool."""

    def __init__(self, spool: Spool, send: Send, policy: Policy = DEFAULT_POLICY) -> None:
        self._spool = spool
        self._send = send
        self._policy = policy
        self._log = get_logger()

    async def run(self) -> None:
        """Deliver whatever is appended, until cancelled."""
        while True:
            delivered = await self._deliver_batch()
            # A batch that is not whole may have ended with its segment, and the next one has more:
            # only an empty one means that everything is delivered.
            if not delivered:
                await self._spool.appended.wait()
            if delivered < self._policy.batch_records:
                await asyncio.sleep(self._policy.gather_seconds)

    async def flush(self, seconds: float) -> None:
        """Deliver what is there, for at most so long; `run` must have ended.

        What remains stays on disk and is delivered by the next process.
        """
        try:
            async with asyncio.timeout(seconds):
                while await self._deliver_batch():
                    continue
        except TimeoutError:
            self._log.warning("spool_not_flushed", count=self._spool.backlog.records)

    async def _deliver_batch(self) -> int:
        """How many records it had."""
        if records := await self._persist(self._read):
            await self._deliver(records)
        return len(records)

    async def _deliver(self, records: list[Record]) -> None:
        """Send and acknowledge; halves the batch until a hopeless record stands alone."""
        refusal = await self._persist(partial(self._offer, records))
        if refusal is None:
            self._spool.acknowledge(records[-1].end)
        elif len(records) == 1:
            await self._persist(partial(self._reject, records[0], refusal))
        else:
            middle = len(records) // 2
            await self._deliver(records[:middle])
            await self._deliver(records[middle:])

    async def _read(self) -> list[Record]:
        self._spool.appended.clear()
        return self._spool.read(self._policy.batch_records)

    async def _offer(self, records: list[Record]) -> str | None:
        """None if the receiver took them, or why it will never take them all."""
        try:
            async with asyncio.timeout(self._policy.send_seconds):
                await self._send([record.payload for record in records])
        except HeadraceError as error:
            if error.kind in HOPELESS:
                return error.message
            raise
        return None

    async def _reject(self, record: Record, reason: str) -> None:
        self._spool.reject(record, reason)

    async def _persist(self, act: Callable[[], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            try:
                return await act()
            except Exception as error:  # noqa: BLE001 - whatever it is, the records must arrive
                pause = self._policy.pause_seconds(attempt, random.random())  # noqa: S311
                attempt += 1
                self._report(error, attempt, pause)
                await asyncio.sleep(pause)

    def _report(self, error: Exception, attempt: int, pause: float) -> None:
        reason = error.reason.value if isinstance(error, HeadraceError) else type(error).__name__
        self._log.warning(
            "spool_delivery_failed", reason=reason, attempt=attempt, seconds=round(pause, 3)
        )
