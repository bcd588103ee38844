"""Where the command remembers which Headrace it talks to, and as whom."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from platformdirs import user_config_path

from headrace_cli.errors import NotLoggedInError, UsageError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    url: str
    ca_file: str | None
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)

    def with_tokens(self, answer: Mapping[str, Any]) -> "Session":
        """After a token response (RFC 6749, section 5.1)."""
        return replace(
            self, access_token=answer["access_token"], refresh_token=answer["refresh_token"]
        )


def session_at(url: str, ca_file: Path | None) -> Session:
    """Of nobody yet; raises UsageError if passwords would travel there unencrypted."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        raise UsageError(
            "--url: must be an address such as https://headrace.example.org."
        ) from None
    if not address.host or (address.scheme != "https" and address.host not in LOOPBACK):
        raise UsageError("--url: must begin with https://, except on this machine.")
    return Session(url, str(ca_file.resolve()) if ca_file else None)


class SessionFile:
    """A file that only its owner can read."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or user_config_path("headrace") / "session.json"

    def load(self) -> Session:
        """Raises NotLoggedInError."""
        try:
            return Session(**json.loads(self._path.read_text()))
        except (FileNotFoundError, TypeError, ValueError):
            raise NotLoggedInError from None

    def save(self, session: Session) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(session), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Other commands wait here; the system lets go when the process ends, however it does."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
