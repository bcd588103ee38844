"""A checksum at the end of a credential's text.

It is CRC-32 in six base62 characters over all that stands before it: a mistyped credential is
refused without asking the database, and secret scanners can tell a real one from one that only
looks like it. It protects from accidents, not from people.
"""

import zlib

from headrace_auth.domain import base62

LENGTH = 6


def append_checksum(body: str) -> str:
    """`body`, then its checksum."""
    return body + base62.encode(zlib.crc32(body.encode()).to_bytes(4, "big"), LENGTH)


def has_checksum(text: str) -> bool:
    """Whether `text` ends with the checksum of the rest."""
    return append_checksum(text[:-LENGTH]) == text
