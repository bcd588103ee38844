"""How a record looks in a segment file, and how records are found again in damaged bytes.

A record is a header and its payload. The header starts with the segment's marker, eight random
bytes that its file name repeats. Payloads cannot know them, so after damage the next record is
wherever the marker stands next, and no payload can pass for a record.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct("<8sQII")
"""Marker, time of the append (milliseconds since 1970), payload length, CRC-32 of all the rest."""

MARKER_BYTES = 8


class Found(NamedTuple):
    """An intact record and where it stands, in bytes from the start of what was scanned."""

    start: int
    end: int
    appended_ms: int
    payload: bytes


def encode(marker: bytes, appended_ms: int, payload: bytes) -> bytes:
    """The bytes of one record."""
    checksum = _checksum(marker, appended_ms, payload)
    return HEADER.pack(marker, appended_ms, len(payload), checksum) + payload


def scan(data: bytes, marker: bytes) -> Iterator[Found]:
    """All intact records, in order; a gap between one's end and the next one's start is damage."""
    position = data.find(marker)
    while position >= 0:
        record = _decode(data, position)
        if record is not None:
            yield record
        position = data.find(marker, record.end if record else position + 1)


def _decode(data: bytes, start: int) -> Found | None:
    body = start + HEADER.size
    if body > len(data):
        return None
    marker, appended_ms, length, checksum = HEADER.unpack_from(data, start)
    end = body + length
    if end > len(data):
        return None
    payload = data[body:end]
    if checksum != _checksum(marker, appended_ms, payload):
        return None
    return Found(start, end, appended_ms, payload)


def _checksum(marker: bytes, appended_ms: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<8sQI", marker, appended_ms, len(payload))))
