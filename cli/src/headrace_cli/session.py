"""Where the command remembers which Headrace it talks to, and as whom."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_config_path


class NotLoggedInError(Exception):
    """No login is remembered."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    url: str
    ca_file: str | None
    access_token: str


class SessionFile:
    """A file that only its owner can read."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or user_config_path("headrace") / "session.json"

    def load(self) -> Session:
        """Raises NotLoggedInError."""
        try:
            return Session(**json.loads(self._path.read_text()))
        except (FileNotFoundError, TypeError, ValueError) as error:
            raise NotLoggedInError from error

    def save(self, session: Session) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(session), file)
        temporary.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)
