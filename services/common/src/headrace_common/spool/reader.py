"""Reads the oldest records of a spool and remembers how far they are acknowledged."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from headrace_common.logs import get_logger
from headrace_common.spool.cursor import Cursor, Position
from headrace_common.spool.metrics import Backlog, SpoolMetrics
from headrace_common.spool.recovery import recover_segments
from headrace_common.spool.segments import Segment


@dataclass(frozen=True, slots=True)
class Record:
    """A payload that was read, and the position to acknowledge once it is delivered."""

    payload: bytes
    end: Position
    appended_ms: int


class Reader:
    """The segments of a spool, seen from the side where they are emptied.

    Keeps `backlog` equal to what they hold.
    """

    def __init__(self, directory: Path, backlog: Backlog, metrics: SpoolMetrics) -> None:
        self._backlog = backlog
        self._metrics = metrics
        self._cursor = Cursor(directory)
        self._segments, self.newest_sequence = recover_segments(
            directory, self._cursor.position, metrics
        )
        self._handed_out: list[Record] = []
        self._take_stock()

    def note_append(self, segment: Segment, size: int, appended_ms: int) -> None:
        """A record of `size` bytes was written at the end of `segment`."""
        if not self._segments or self._segments[-1] is not segment:
            self._segments.append(segment)
        if not self._backlog.records:
            self._backlog.oldest_ms = appended_ms
        self._backlog.records += 1
        self._backlog.bytes += size

    def read(self, maximum_records: int) -> list[Record]:
        """At most so many of the oldest records, all from one segment."""
        self._handed_out = []
        for segment in tuple(self._segments):
            start = self._start_of(segment)
            self._handed_out = list(islice(self._records(segment, start), maximum_records))
            if self._handed_out:
                break
            if start < segment.size:
                self._report_damage(segment.size - start)
                segment.records = 0
                self._move_to(Position(segment.sequence, segment.size))
        return list(self._handed_out)

    def acknowledge(self, position: Position) -> None:
        """Move on to `position`; raises OSError if that could not be stored."""
        rest = [record for record in self._handed_out if record.end > position]
        for segment in self._segments:
            if segment.sequence == position.sequence:
                segment.records -= len(self._handed_out) - len(rest)
        self._handed_out = rest
        self._move_to(position)

    def close(self) -> None:
        self._cursor.close()

    def _records(self, segment: Segment, start: int) -> Iterator[Record]:
        previous = 0
        for found in segment.scan(start):
            if found.start > previous:
                self._report_damage(found.start - previous)
            previous = found.end
            end = Position(segment.sequence, start + found.end)
            yield Record(found.payload, end, found.appended_ms)

    def _report_damage(self, size: int) -> None:
        self._metrics.damaged.inc()
        get_logger().error("spool_damaged", size_bytes=size)

    def _start_of(self, segment: Segment) -> int:
        acknowledged = self._cursor.position
        return acknowledged.offset if segment.sequence == acknowledged.sequence else 0

    def _move_to(self, position: Position) -> None:
        try:
            self._cursor.move(position)
        finally:  # also when the cursor cannot be stored, for removing makes room on a full disk
            while self._segments and self._is_done(self._segments[0]):
                self._segments.popleft().path.unlink(missing_ok=True)
            self._take_stock()

    def _is_done(self, segment: Segment) -> bool:
        acknowledged = self._cursor.position
        if segment.sequence != acknowledged.sequence:
            return segment.sequence < acknowledged.sequence
        return acknowledged.offset >= segment.size and not segment.growing

    def _take_stock(self) -> None:
        self._backlog.records = sum(segment.records for segment in self._segments)
        self._backlog.bytes = sum(s.size - self._start_of(s) for s in self._segments)
        self._backlog.oldest_ms = self._oldest_ms()

    def _oldest_ms(self) -> int | None:
        if self._handed_out:
            return self._handed_out[0].appended_ms
        for segment in self._segments:
            if segment.records and (first := next(segment.scan(self._start_of(segment)), None)):
                return first.appended_ms
        return None
