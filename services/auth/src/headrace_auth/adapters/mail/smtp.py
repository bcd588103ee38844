"""A Mailer that hands mail to an SMTP server (RFC 5321, RFC 3207, RFC 8314)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from enum import StrEnum
from pathlib import Path

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException

from headrace_auth.adapters.mail.message import to_bytes
from headrace_auth.domain.mails import Mail
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger

GOODBYE_SECONDS = 1.0


class Encryption(StrEnum):
    """How the connection is protected; with STARTTLS nothing is sent before it is."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over; raises ValueError for a password that would travel in the clear.

    `ca_file` names the authorities to trust instead of the system's.
    """

    host: str
    port: int
    encryption: Encryption
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            raise ValueError("an SMTP username and password belong together")
        if self.username is not None and self.encryption is Encryption.NONE:
            raise ValueError("an SMTP password needs STARTTLS or TLS")

    def __repr__(self) -> str:
        return f"SmtpServer({self.host!r}, {self.port}, {self.encryption.value!r})"


class SmtpMailer:
    """One connection per mail, a bounded number at a time; `timeout_seconds` cover all of it.

    Further mails wait for a connection within their time; beyond `maximum_pending` that are sent or
    wait, they are refused.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: Address,
        clock: Clock,
        *,
        timeout_seconds: float,
        maximum_connections: int = 4,
        maximum_pending: int = 100,
    ) -> None:
        self._server = server
        self._sender = sender
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._connections = asyncio.Semaphore(maximum_connections)
        self._free = maximum_pending
        self._tls = (
            None
            if server.encryption is Encryption.NONE
            else ssl.create_default_context(cafile=server.ca_file)
        )

    async def send(self, mail: Mail) -> None:
        if self._free <= 0:
            raise _unavailable()
        self._free -= 1
        try:
            async with asyncio.timeout(self._timeout_seconds), self._connections:
                await self._deliver(mail)
        except (SMTPException, OSError) as error:
            # The server's words may quote addresses.
            get_logger().warning("mail_not_sent", kind=type(error).__name__)
            raise _unavailable() from error
        finally:
            self._free += 1

    async def _deliver(self, mail: Mail) -> None:
        content = to_bytes(mail, self._sender, self._clock.now())
        async with self._connection() as smtp:
            await smtp.sendmail(self._sender.addr_spec, [mail.to], content)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SMTP]:
        smtp = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            use_tls=self._server.encryption is Encryption.TLS,
            start_tls=self._server.encryption is Encryption.STARTTLS,
            tls_context=self._tls,
            # Else the library asks the DNS for this machine's name, in a thread without deadline.
            local_hostname=self._sender.domain,
            # The caller's deadline covers everything; the library's own would use
            # `asyncio.wait_for`, which on Python 3.11 can swallow a cancellation.
            timeout=None,
        )
        # Not `async with smtp`: when cancelled that says QUIT and waits for an answer for ever.
        try:
            await smtp.connect()
            yield smtp
            # The mail is accepted by now, however the server takes leave.
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await smtp.quit()
        finally:
            smtp.close()


def _unavailable() -> HeadraceError:
    return HeadraceError(
        Reason.DEPENDENCY_UNAVAILABLE, "mail cannot be sent now", retry_after_seconds=1
    )
