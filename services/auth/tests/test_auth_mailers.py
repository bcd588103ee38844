"""All mailers pass one suite; what only one of them can do wrong stands beside it."""

import email
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import policy
from email.headerregistry import Address
from pathlib import Path

import pytest

from headrace_auth.adapters.mail.folder import FolderMailer
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.domain.mails import Mail
from headrace_auth.testing.mailer_suite import MAIL, MailerSuite
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

SENDER = Address("Headrace", addr_spec="mail@headrace.test")


class TestMemoryMailer(MailerSuite):
    @pytest.fixture
    def mailer(self) -> MemoryMailer:
        return MemoryMailer()

    @pytest.fixture
    def delivered(self, mailer: MemoryMailer) -> Callable[[], list[Mail]]:
        return lambda: mailer.sent

    @pytest.fixture
    def broken(self, mailer: MemoryMailer) -> MemoryMailer:
        mailer.is_down = True
        return mailer


class TestFolderMailer(MailerSuite):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "new" / "mailbox"

    @pytest.fixture
    def mailer(self, folder: Path, clock: FakeClock) -> FolderMailer:
        return FolderMailer(folder, SENDER, clock)

    @pytest.fixture
    def delivered(self, folder: Path) -> Callable[[], list[Mail]]:
        return lambda: [read(path.read_bytes()) for path in files(folder)]

    @pytest.fixture
    def broken(self, tmp_path: Path, clock: FakeClock) -> FolderMailer:
        (tmp_path / "file").touch()
        return FolderMailer(tmp_path / "file", SENDER, clock)

    async def test_only_the_owner_reads_mail(self, mailer: FolderMailer, folder: Path) -> None:
        await mailer.send(MAIL)
        (path,) = files(folder)
        assert (mode(path), mode(folder)) == (0o600, 0o700)
        assert path.suffix == ".eml"
        assert MAIL.to not in path.name

    async def test_names_sort_by_time(
        self, mailer: FolderMailer, delivered: Callable[[], list[Mail]], clock: FakeClock
    ) -> None:
        mails = [Mail(MAIL.to, f"{n}", "\n") for n in range(5)]
        for mail in mails:
            await mailer.send(mail)
            clock.advance(1)
        assert delivered() == mails

    async def test_a_mail_that_does_not_fit_leaves_nothing(
        self, mailer: FolderMailer, folder: Path
    ) -> None:
        with largest_file(100), pytest.raises(HeadraceError) as caught:
            await mailer.send(MAIL)
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
        assert files(folder) == []

    async def test_a_message_has_what_mail_servers_ask_for(
        self, mailer: FolderMailer, folder: Path, clock: FakeClock
    ) -> None:
        await mailer.send(MAIL)
        (path,) = files(folder)
        raw = path.read_bytes()
        message = email.message_from_bytes(raw, policy=policy.default)
        assert str(message["From"]) == "Headrace <mail@headrace.test>"
        assert message["Date"].datetime == clock.now().replace(microsecond=0)
        assert message["Message-ID"].endswith("@headrace.test>")
        assert message["Auto-Submitted"] == "auto-generated"
        assert message.get_content_type() == "text/plain"
        assert raw.isascii()
        assert raw.count(b"\n") == raw.count(b"\r\n")


def files(folder: Path) -> list[Path]:
    """All of them, hidden ones too."""
    return sorted(folder.iterdir())


def mode(path: Path) -> int:
    """Who may do what with it."""
    return stat.S_IMODE(path.stat().st_mode)


def read(content: bytes) -> Mail:
    """The mail in a message, its line ends as Python has them."""
    message = email.message_from_bytes(content, policy=policy.default)
    (to,) = message["To"].addresses
    return Mail(to.addr_spec, message["Subject"], message.get_content().replace("\r\n", "\n"))


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Let this process write no larger files for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
