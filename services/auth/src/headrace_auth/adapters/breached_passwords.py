"""Lists of known passwords: common ones that ship, and a file of any size from elsewhere."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from headrace_auth.domain.password_policy import spellings
from headrace_auth.ports import BreachedPasswords
from headrace_common.errors import HeadraceError, Reason

DIGEST_CHARACTERS = 40
LONGEST_LINE = 128
SAMPLES = 1000
_ENTRY = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]+)?\r?\n?")


class MemoryBreachedPasswords:
    """Passwords in memory, together with all that `spellings` makes of them."""

    def __init__(self, passwords: Iterable[str]) -> None:
        self._passwords = frozenset(password.casefold() for password in passwords)

    def contains(self, password: str) -> bool:
        return any(spelling in self._passwords for spelling in spellings(password))


class BreachedPasswordFile:
    """A file of SHA-1 digests, one per line, as "Have I Been Pwned" offers for download.

    A line is `<40 hexadecimal digits>` or `<40 hexadecimal digits>:<count>`, sorted. The whole
    list has a billion lines and 40 GB, so it is searched where it lies, by bisection, in about 35
    small reads; a set would need 100 bytes of memory per line. Digests know no spelling: looked up
    are the password and its lower case.
    """

    def __init__(self, path: Path) -> None:
        """Raises ValueError if the file cannot be read or, as far as samples tell, is not sorted.

        In a file of another order or form every password would seem unknown.
        """
        self._path = path
        try:
            with path.open("rb") as file:
                _check_samples(file)
        except OSError as error:
            raise ValueError(f"cannot read the breached passwords: {error.strerror}") from error

    def contains(self, password: str) -> bool:
        try:
            with self._path.open("rb") as file:
                return any(_has(file, _digest(text)) for text in (password, password.lower()))
        except OSError as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE, "the list of breached passwords cannot be read"
            ) from error


class BreachedPasswordLists:
    """Several lists as one."""

    def __init__(self, *lists: BreachedPasswords) -> None:
        self._lists = lists

    def contains(self, password: str) -> bool:
        return any(known.contains(password) for known in self._lists)


def common_passwords() -> MemoryBreachedPasswords:
    """The 94,000 passwords, words and names that zxcvbn ranks; takes 0.1 s and 20 MB."""
    # Importing it builds its tables, and modules of this project do no work at import.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    return MemoryBreachedPasswords(word for words in FREQUENCY_LISTS.values() for word in words)


def _digest(text: str) -> bytes:
    # Not for secrecy: it is how the lists are published.
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().upper().encode()


def _has(file: BinaryIO, digest: bytes) -> bool:
    low, high = 0, file.seek(0, 2)
    while low < high:
        start, line = _line_at(file, (low + high) // 2)
        found = line[:DIGEST_CHARACTERS].upper()
        if found == digest:
            return True
        if found < digest:
            low = start + len(line)
        else:
            high = start
    return False


def _line_at(file: BinaryIO, position: int) -> tuple[int, bytes]:
    """Where the line that covers the byte at `position` starts, and the line with its end."""
    window = max(0, position - LONGEST_LINE)
    file.seek(window)
    start = window + file.read(position - window).rfind(b"\n") + 1
    file.seek(start)
    return start, file.readline(LONGEST_LINE)


def _check_samples(file: BinaryIO) -> None:
    size, last = file.seek(0, 2), b""
    for number in range(SAMPLES):
        _, line = _line_at(file, size * number // SAMPLES)
        digest = line[:DIGEST_CHARACTERS].upper()
        if size and (digest < last or not _ENTRY.fullmatch(line)):
            raise ValueError("the breached passwords must be sorted lines of SHA-1 digests")
        last = digest
