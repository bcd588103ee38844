"""Mail in the background: taken at once, tried again, bounded, and lost only with a word."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from headrace_auth.adapters.mail.absent import AbsentMailer
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.mail.queue import MailQueue
from headrace_auth.domain.mails import Mail
from headrace_common.errors import HeadraceError, Reason

MAIL = Mail("member@acme.test", "Hello", "https://headrace.test/#canary-token\n")


class Gate:
    """A Mailer whose mails wait until it opens; tells when so many wait."""

    def __init__(self, full_at: int = 1) -> None:
        self.open = asyncio.Event()
        self.full = asyncio.Event()
        self.full_at = full_at
        self.waiting = 0
        self.most = 0
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting == self.full_at:
            self.full.set()
        await self.open.wait()
        self.waiting -= 1
        self.sent.append(mail)


class Flaky:
    """A Mailer that fails a few times first."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        if self.failures:
            raise self.failures.pop()
        self.sent.append(mail)


@pytest.fixture
def logged() -> Iterator[Callable[[], list[str]]]:
    """The names of what was logged; fails for a line with an address, a token or a text."""
    with capture_logs() as lines:
        yield lambda: [line["event"] for line in lines]
    for line in lines:
        assert "canary" not in str(line)
        assert "acme" not in str(line)


def _down() -> HeadraceError:
    return HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "mail cannot be sent now")


async def test_a_mail_is_taken_at_once_and_sent_later() -> None:
    gate = Gate()
    queue = MailQueue(gate)
    await queue.send(MAIL)
    assert gate.sent == []
    gate.open.set()
    await queue.drain()
    assert gate.sent == [MAIL]


@pytest.mark.parametrize("failure", [_down(), RuntimeError("canary member@acme.test")])
async def test_what_fails_is_tried_again(
    failure: Exception, logged: Callable[[], list[str]]
) -> None:
    flaky = Flaky(failure, failure)
    queue = MailQueue(flaky, retry_seconds=(0, 0))
    await queue.send(MAIL)
    await queue.drain()
    assert flaky.sent == [MAIL]
    assert logged() == ["mail_not_sent"] * 2


async def test_what_goes_on_failing_is_given_up(logged: Callable[[], list[str]]) -> None:
    queue = MailQueue(AbsentMailer(), retry_seconds=(0,))
    await queue.send(MAIL)
    await queue.drain()
    assert logged() == ["mail_not_sent", "mail_not_sent", "mail_given_up"]


async def test_more_than_the_bound_is_dropped(logged: Callable[[], list[str]]) -> None:
    gate = Gate()
    queue = MailQueue(gate, maximum_held=2)
    for _ in range(4):
        await queue.send(MAIL)
    gate.open.set()
    await queue.drain()
    assert len(gate.sent) == 2
    assert logged() == ["mail_dropped"] * 2
    await queue.send(MAIL)
    await queue.drain()
    assert len(gate.sent) == 3


async def test_one_mailbox_keeps_nobody_elses_mail_out(logged: Callable[[], list[str]]) -> None:
    gate = Gate()
    queue = MailQueue(gate, maximum_held=4, maximum_of_mailbox=3)
    other = Mail("owner@acme.test", MAIL.subject, MAIL.text)
    for mail in (*[MAIL] * 5, other):
        await queue.send(mail)
    gate.open.set()
    await queue.drain()
    assert gate.sent == [MAIL, MAIL, MAIL, other]
    assert logged() == ["mail_dropped"] * 2
    await queue.send(MAIL)
    await queue.drain()
    assert gate.sent[4:] == [MAIL]


async def test_so_many_are_handed_over_at_once() -> None:
    gate = Gate(full_at=3)
    queue = MailQueue(gate, maximum_at_once=3)
    for _ in range(10):
        await queue.send(MAIL)
    await gate.full.wait()
    gate.open.set()
    await queue.drain()
    assert (gate.most, len(gate.sent)) == (3, 10)


async def test_a_shutdown_waits_so_long_and_no_longer(logged: Callable[[], list[str]]) -> None:
    queue = MailQueue(Gate())
    await queue.send(MAIL)
    await queue.drain(seconds=0)
    assert logged() == ["mail_dropped"]


async def test_a_shutdown_with_nothing_to_send_is_quiet(logged: Callable[[], list[str]]) -> None:
    await MailQueue(MemoryMailer()).drain()
    assert logged() == []
