"""A file that may change while the gateway runs."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from headrace_gateway.adapters.yaml_reader import MAXIMUM_BYTES, FileFaultError

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """Looks at a file again and again; by what is in it, since a ConfigMap is a link to a link."""

    def __init__(self, path: Path, parse: Callable[[bytes, str], T]) -> None:
        """`parse` takes what is in the file and its name, and raises FileFaultError."""
        self._path = path
        self._parse = parse
        self._seen = b""
        """Digest of what was there at the last look; empty if it could not be read."""

    def load(self) -> T:
        """What it says; raises FileFaultError."""
        content = self._read()
        self._seen = _digest(content)
        return self._parse(content, str(self._path))

    async def look(self) -> T | None:
        """What it says if it has changed since the last look, else None.

        Raises FileFaultError when it has changed into what cannot be used: once, not at every look.
        """
        seen, self._seen = self._seen, b""
        try:
            content = await asyncio.to_thread(self._read)
            self._seen = _digest(content)
            if self._seen == seen:
                return None
            # In a thread: many patterns take their time to be compiled.
            return await asyncio.to_thread(self._parse, content, str(self._path))
        except FileFaultError:
            if self._seen == seen:  # as unreadable as it was
                return None
            raise

    def _read(self) -> bytes:
        """No more than it takes to see that it is too large."""
        try:
            with self._path.open("rb") as file:
                return file.read(MAXIMUM_BYTES + 1)
        except OSError as error:
            rule = f"cannot be read: {error.strerror or type(error).__name__}"
            raise FileFaultError(str(self._path), 1, "file", rule) from error


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
