"""The SMTP mailer against a real SMTP server, one that is broken, and one that never answers."""

import asyncio
import email
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import policy
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from aiosmtplib.errors import SMTPAuthenticationError, SMTPConnectError, SMTPRecipientsRefused
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headrace_auth.adapters.mail.smtp import Encryption, SmtpMailer, SmtpServer
from headrace_auth.domain.mails import Mail
from headrace_auth.testing.mailer_suite import MAIL, MailerSuite
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

HOST = "127.0.0.1"
SENDER = Address("Headrace", addr_spec="mail@headrace.test")
USERNAME, PASSWORD = "headrace", "canary-smtp-password"
ENCRYPTED = [Encryption.STARTTLS, Encryption.TLS]
# aiosmtpd does not see the encryption of a socket that it is given.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Inbox:
    """What an SMTP server has accepted; while `gate` is cleared it accepts nothing."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refusal = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.arrived = asyncio.Condition()

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.refusal or "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        async with self.arrived:
            self.waiting += 1
            self.arrived.notify_all()
        await self.gate.wait()
        self.waiting -= 1
        self.envelopes.append(envelope)
        return "250 OK"

    async def until_waiting(self, number: int) -> None:
        """Return once so many mails have arrived and wait at the gate."""
        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(lambda: self.waiting == number)

    def mails(self) -> list[Mail]:
        return [read(envelope) for envelope in self.envelopes]


def read(envelope: Envelope) -> Mail:
    """The mail in an envelope, its line ends as Python has them."""
    assert isinstance(envelope.content, bytes)
    assert envelope.mail_from == SENDER.addr_spec
    message = email.message_from_bytes(envelope.content, policy=policy.default)
    (to,) = message["To"].addresses
    assert envelope.rcpt_tos == [to.addr_spec]
    return Mail(to.addr_spec, message["Subject"], message.get_content().replace("\r\n", "\n"))


def check_login(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: Any) -> Any:
    matches = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=matches, handled=matches)


@asynccontextmanager
async def listening(
    make_protocol: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """The port of a server that goes away with the block."""
    server = await asyncio.get_running_loop().create_server(make_protocol, HOST, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
async def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def port(inbox: Inbox) -> AsyncIterator[int]:
    """A server without encryption."""
    async with listening(lambda: SMTP(inbox, hostname="mx.test")) as port:
        yield port


def mailer_for(port: int, *, timeout_seconds: float = 10, **options: Any) -> SmtpMailer:
    """A mailer without encryption."""
    server = SmtpServer(HOST, port, Encryption.NONE)
    return SmtpMailer(server, SENDER, FakeClock(), timeout_seconds=timeout_seconds, **options)


async def outage(mailer: SmtpMailer) -> HeadraceError:
    """The error of a mail that is not sent; it must be an outage."""
    with pytest.raises(HeadraceError) as caught:
        await mailer.send(MAIL)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    return caught.value


class TestSmtpMailer(MailerSuite):
    @pytest.fixture
    def mailer(self, port: int) -> SmtpMailer:
        return mailer_for(port)

    @pytest.fixture
    def delivered(self, inbox: Inbox) -> Callable[[], list[Mail]]:
        return inbox.mails

    @pytest.fixture
    def broken(self, inbox: Inbox, port: int) -> SmtpMailer:
        inbox.refusal = f"550 no such mailbox {MAIL.to}"
        return mailer_for(port)


@pytest.fixture
async def tls_ports(
    inbox: Inbox, server_tls: ssl.SSLContext
) -> AsyncIterator[dict[Encryption, int]]:
    """Servers that want a login, by how they encrypt."""

    def start_plain() -> SMTP:
        return SMTP(
            inbox,
            hostname="mx.test",
            tls_context=server_tls,
            require_starttls=True,
            auth_required=True,
            authenticator=check_login,
        )

    def start_encrypted() -> SMTP:
        return SMTP(
            inbox,
            hostname="mx.test",
            auth_required=True,
            auth_require_tls=False,
            authenticator=check_login,
        )

    async with listening(start_plain) as starttls, listening(start_encrypted, server_tls) as tls:
        yield {Encryption.STARTTLS: starttls, Encryption.TLS: tls}


def tls_mailer(
    ports: dict[Encryption, int], encryption: Encryption, ca_file: Path | None, password: str
) -> SmtpMailer:
    server = SmtpServer(HOST, ports[encryption], encryption, USERNAME, password, ca_file)
    return SmtpMailer(server, SENDER, FakeClock(), timeout_seconds=10)


@pytest.mark.parametrize("encryption", ENCRYPTED)
async def test_a_login_travels_encrypted(
    tls_ports: dict[Encryption, int], certificate: Path, inbox: Inbox, encryption: Encryption
) -> None:
    await tls_mailer(tls_ports, encryption, certificate, PASSWORD).send(MAIL)
    assert inbox.mails() == [MAIL]


@pytest.mark.parametrize("encryption", ENCRYPTED)
async def test_a_wrong_login_is_an_outage(
    tls_ports: dict[Encryption, int],
    certificate: Path,
    inbox: Inbox,
    encryption: Encryption,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = await outage(tls_mailer(tls_ports, encryption, certificate, f"{PASSWORD}x"))
    assert isinstance(error.__cause__, SMTPAuthenticationError)
    assert PASSWORD not in error.message
    assert PASSWORD not in "".join(capsys.readouterr())
    assert inbox.envelopes == []


@pytest.mark.parametrize("encryption", ENCRYPTED)
async def test_an_unknown_certificate_is_not_trusted(
    tls_ports: dict[Encryption, int], inbox: Inbox, encryption: Encryption
) -> None:
    error = await outage(tls_mailer(tls_ports, encryption, None, PASSWORD))
    assert "certificate verify failed" in str(error.__cause__)
    assert inbox.envelopes == []


async def test_without_the_encryption_that_was_asked_for_nothing_is_sent(
    inbox: Inbox, port: int
) -> None:
    mailer = tls_mailer({Encryption.STARTTLS: port}, Encryption.STARTTLS, None, PASSWORD)
    error = await outage(mailer)
    assert "STARTTLS" in str(error.__cause__)
    assert inbox.envelopes == []


async def test_a_refused_recipient_is_not_quoted(
    inbox: Inbox, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.refusal = f"550 {MAIL.to} unknown"
    error = await outage(mailer_for(port))
    assert isinstance(error.__cause__, SMTPRecipientsRefused)
    assert MAIL.to not in "".join(capsys.readouterr())


async def test_nobody_listens(port: int) -> None:
    async with listening(asyncio.Protocol) as closed:
        pass
    error = await outage(mailer_for(closed))
    assert isinstance(error.__cause__, SMTPConnectError)


class Silent(asyncio.Protocol):
    """Accepts connections and says nothing; counts those that are open."""

    def __init__(self, open_connections: list["Silent"], closed: asyncio.Event) -> None:
        self._open = open_connections
        self._closed = closed

    def connection_made(self, _transport: asyncio.BaseTransport) -> None:
        self._open.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.remove(self)
        self._closed.set()


async def test_a_silent_server_costs_the_deadline_and_no_more() -> None:
    opened: list[Silent] = []
    closed = asyncio.Event()
    async with listening(lambda: Silent(opened, closed)) as port, asyncio.timeout(10):
        await outage(mailer_for(port, timeout_seconds=0.2))
        await closed.wait()
        assert opened == []


async def test_a_caller_that_gives_up_makes_room(inbox: Inbox, port: int) -> None:
    mailer = mailer_for(port, maximum_connections=1)
    inbox.gate.clear()
    task = asyncio.create_task(mailer.send(MAIL))
    await inbox.until_waiting(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await task
    inbox.gate.set()
    await mailer.send(MAIL)


async def test_connections_are_bounded_and_further_mails_wait(inbox: Inbox, port: int) -> None:
    mailer = mailer_for(port, maximum_connections=2)
    inbox.gate.clear()
    tasks = [asyncio.create_task(mailer.send(MAIL)) for _ in range(6)]
    await inbox.until_waiting(2)
    inbox.gate.set()
    await asyncio.gather(*tasks)
    assert len(inbox.envelopes) == 6


async def test_mails_beyond_the_bound_are_refused_at_once(inbox: Inbox, port: int) -> None:
    mailer = mailer_for(port, maximum_connections=1, maximum_pending=3)
    inbox.gate.clear()
    tasks = [asyncio.create_task(mailer.send(MAIL)) for _ in range(3)]
    await inbox.until_waiting(1)
    await outage(mailer)
    inbox.gate.set()
    await asyncio.gather(*tasks)
    await mailer.send(MAIL)
    assert len(inbox.envelopes) == 4


async def test_waiting_for_a_connection_counts_towards_the_deadline(
    inbox: Inbox, port: int
) -> None:
    mailer = mailer_for(port, maximum_connections=1, timeout_seconds=0.5)
    inbox.gate.clear()
    async with asyncio.timeout(5):  # one after the other they would take ten seconds
        outcomes = await asyncio.gather(
            *(mailer.send(MAIL) for _ in range(20)), return_exceptions=True
        )
    assert all(isinstance(outcome, HeadraceError) for outcome in outcomes)
    inbox.gate.set()


@pytest.mark.parametrize(
    ("encryption", "username", "password"),
    [
        (Encryption.NONE, USERNAME, PASSWORD),
        (Encryption.TLS, USERNAME, None),
        (Encryption.TLS, None, PASSWORD),
    ],
)
def test_half_a_login_or_one_in_the_clear_is_refused(
    encryption: Encryption, username: str | None, password: str | None
) -> None:
    with pytest.raises(ValueError):
        SmtpServer(HOST, 25, encryption, username, password)


def test_the_password_is_not_in_the_repr() -> None:
    assert PASSWORD not in repr(SmtpServer(HOST, 25, Encryption.TLS, USERNAME, PASSWORD))
