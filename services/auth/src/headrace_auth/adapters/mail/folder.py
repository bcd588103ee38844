"""A Mailer that writes each mail into a folder, for installations without a mail server."""

import asyncio
import os
from email.headerregistry import Address
from pathlib import Path

from headrace_auth.adapters.mail.message import to_bytes
from headrace_auth.domain.mails import Mail
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7


class FolderMailer:
    """One `.eml` file per mail, named so that they sort by time; only their owner reads them."""

    def __init__(self, folder: Path, sender: Address, clock: Clock) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        now = self._clock.now()
        try:
            await asyncio.to_thread(
                self._write, f"{uuid7(now)}.eml", to_bytes(mail, self._sender, now)
            )
        except OSError as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE, "mail cannot be written now", retry_after_seconds=1
            ) from error

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._folder / f".{name}.partial"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            # A reader of the folder sees a whole mail or none.
            temporary.rename(self._folder / name)
        finally:
            temporary.unlink(missing_ok=True)
