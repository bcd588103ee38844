"""Segment files: their names, and reading what stands in them."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace_common.spool.records import Found, scan

NAME = re.compile(r"(?P<sequence>\d{16})-(?P<marker>[0-9a-f]{16})\.segment")


@dataclass(slots=True)
class Segment:
    """One file of records; `size` is where its last intact record ends, in bytes.

    `records` counts those that are not acknowledged; while it is `growing`, the file must stay.
    """

    sequence: int
    marker: bytes
    path: Path
    size: int = 0
    records: int = 0
    growing: bool = False

    def scan(self, start: int) -> Iterator[Found]:
        """Intact records from `start` up to `size`; their positions count from `start`.

        A file that somebody removed has none.
        """
        try:
            with self.path.open("rb") as file:
                data = os.pread(file.fileno(), self.size - start, start)
        except FileNotFoundError:
            data = b""
        return scan(data, self.marker)


def new_segment(directory: Path, sequence: int, marker: bytes) -> Segment:
    """A segment whose file does not exist yet."""
    return Segment(sequence, marker, directory / f"{sequence:016d}-{marker.hex()}.segment")


def find_segments(directory: Path) -> list[Segment]:
    """The segments of a directory, oldest first; their size is their file's, unchecked."""
    segments = []
    for path in sorted(directory.iterdir()):
        if name := NAME.fullmatch(path.name):
            marker = bytes.fromhex(name["marker"])
            segments.append(Segment(int(name["sequence"]), marker, path, path.stat().st_size))
    return segments
