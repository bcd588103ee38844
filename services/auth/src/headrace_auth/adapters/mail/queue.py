"""Mail in the background: what people are written never decides how their call ends."""

import asyncio
from collections import Counter

from headrace_auth.domain.mails import Mail
from headrace_auth.ports import Mailer
from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger

RETRY_SECONDS = (1.0, 10.0, 60.0, 300.0)
"""Waits between attempts; one more attempt than there are waits."""
DRAIN_SECONDS = 5.0


class MailQueue:
    """A Mailer that takes mail at once and hands it on later; what fails is tried again.

    It holds a bounded number of mails in memory, and of one mailbox a small part of them: people
    cause mails to themselves without end, and must not keep others' out. Beyond that, after the
    last attempt, and at the end of the process mails are lost, with a log line that tells neither
    address nor text: people can ask for another one.
    """

    def __init__(
        self,
        mailer: Mailer,
        *,
        maximum_held: int = 1000,
        maximum_of_mailbox: int = 20,
        maximum_at_once: int = 4,
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        self._mailer = mailer
        self._maximum_held = maximum_held
        self._maximum_of_mailbox = maximum_of_mailbox
        self._turns = asyncio.Semaphore(maximum_at_once)
        self._retry_seconds = retry_seconds
        self._held: set[asyncio.Task[None]] = set()
        self._held_of: Counter[str] = Counter()

    async def send(self, mail: Mail) -> None:
        """Hold the mail; never raises and never waits."""
        if len(self._held) >= self._maximum_held:
            get_logger().warning("mail_dropped", reason="queue is full", count=len(self._held))
            return
        if self._held_of[mail.to] >= self._maximum_of_mailbox:
            get_logger().warning("mail_dropped", reason="mailbox has its share of the queue")
            return
        self._held_of[mail.to] += 1
        task = asyncio.create_task(self._deliver(mail))
        self._held.add(task)
        task.add_done_callback(lambda done: self._let_go(done, mail))

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Give what is held so much time, then forget it."""
        if not self._held:
            return
        _, late = await asyncio.wait(self._held, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
            get_logger().warning("mail_dropped", reason="shutdown", count=len(late))

    def _let_go(self, task: asyncio.Task[None], mail: Mail) -> None:
        self._held.discard(task)
        self._held_of[mail.to] -= 1
        if not self._held_of[mail.to]:
            del self._held_of[mail.to]

    async def _deliver(self, mail: Mail) -> None:
        for attempt, wait in enumerate((*self._retry_seconds, None), start=1):
            if await self._try(mail, attempt):
                return
            if wait is not None:
                await asyncio.sleep(wait)
        get_logger().error("mail_given_up", attempt=len(self._retry_seconds) + 1)

    async def _try(self, mail: Mail, attempt: int) -> bool:
        try:
            async with self._turns:
                await self._mailer.send(mail)
        except HeadraceError as error:
            get_logger().warning("mail_not_sent", reason=error.reason.value, attempt=attempt)
            return False
        except Exception as error:  # noqa: BLE001 - nobody awaits it, so nobody else would tell
            get_logger().error("mail_not_sent", kind=type(error).__name__, attempt=attempt)
            return False
        return True
