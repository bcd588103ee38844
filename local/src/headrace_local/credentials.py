"""The secrets of one stack: generated once, kept in a file that only its owner can read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from headrace_local.errors import LocalStackError

EMAIL = "admin@headrace.local"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may administer the stack, the key that encrypts the signing keys in its database, and the
    seed of the key that vouches for answers."""

    email: str
    password: str = field(repr=False)
    key_encryption_key: str = field(repr=False)
    api_key: str = field(default="", repr=False)
    answer_signing_key: str = field(default="", repr=False)
    """Empty in a file that was made before answers were signed."""

    @classmethod
    def generate(cls) -> "Credentials":
        return cls(
            email=EMAIL,
            password=secrets.token_urlsafe(18),
            key_encryption_key=_random_key(),
            answer_signing_key=_random_key(),
        )

    @classmethod
    def load(cls, path: Path) -> "Credentials":
        """Read the file.

        Raises:
            FileNotFoundError: there is none.
            LocalStackError: it is damaged.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise LocalStackError(
                f"{path} is damaged. Restore it, or start afresh with `make reset`."
            ) from error

    @classmethod
    def load_or_generate(cls, path: Path) -> "Credentials":
        """Read the file, or make it; what an older file lacks is added."""
        try:
            known = cls.load(path)
        except FileNotFoundError:
            known = cls.generate()
        else:
            if known.answer_signing_key:
                return known
            known = replace(known, answer_signing_key=_random_key())
        known.save(path)
        return known

    def with_api_key(self, api_key: str) -> "Credentials":
        return replace(self, api_key=api_key)

    def save(self, path: Path) -> None:
        """Write the file with mode 0600, whole or not at all."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)
        unfinished.replace(path)


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
