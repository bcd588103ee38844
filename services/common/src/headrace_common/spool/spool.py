"""A bounded queue of byte records on disk that survives its process.

reserve -> (work) -> append -> segment file -> read -> (delivered) -> acknowledge -> segment removed

An append is one write, so it outlives a killed process at once; `keep_synced` makes it outlive the
machine within its interval. Disk use stays under `maximum_bytes`, one segment, and `reserved_bytes`
for each piece of work that ever ran at once. All methods but `sync` and `probe` belong to one
thread.
"""

import os
from asyncio import Event
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_common.spool.cursor import Position
from headrace_common.spool.files import Files, SystemFiles, write_whole
from headrace_common.spool.in_flight import InFlightFile, Note, files_of_other_sizes
from headrace_common.spool.lock import lock_directory
from headrace_common.spool.metrics import Backlog, SpoolMetrics
from headrace_common.spool.reader import Reader, Record
from headrace_common.spool.records import HEADER
from headrace_common.spool.rejected import RejectedFile
from headrace_common.spool.writer import Writer

PROBE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a spool, in bytes."""

    maximum_bytes: int = 256 * 1024 * 1024
    reserved_bytes: int = 16 * 1024
    """What a reservation keeps for the record of one piece of work."""
    disk_margin_bytes: int = 16 * 1024 * 1024
    """What is left to others that share the disk."""
    segment_bytes: int = 1024 * 1024
    record_bytes: int = 256 * 1024
    """The largest payload; a larger one is a fault of the caller."""


DEFAULT_LIMITS = Limits()


class Spool:
    """The spool in `directory`, which belongs to this process until `close`."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        limits: Limits = DEFAULT_LIMITS,
        files: Files | None = None,
    ) -> None:
        """Raises HeadraceError with AUDIT_UNAVAILABLE if another process has the directory."""
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = lock_directory(directory)
        self._directory = directory
        self._clock = clock
        self._limits = limits
        self._files = files or SystemFiles()
        self._log = get_logger()
        self.backlog = Backlog()
        self._metrics = SpoolMetrics(registry, self.backlog, clock)
        self._rejected = RejectedFile(directory, self._files)
        self._reader = Reader(directory, self.backlog, self._metrics)
        self._writer = Writer(
            directory,
            self._files,
            next_sequence=self._reader.newest_sequence + 1,
            segment_bytes=limits.segment_bytes,
        )
        self._in_flight = InFlightFile(directory, self._files, limits.reserved_bytes)
        self._reserved = 0
        self.failed = False
        self.appended = Event()
        """Set by every append; `Delivery` clears it."""
        self.unsynced = Event()
        """Set by every append and failure; `keep_synced` clears it."""
        self.kept: list[Note] = []
        """What is appended, in this order, and noted all the same until it is forgotten.

        First what an earlier process left, whose notes are its records: for whoever has something
        to put right before.
        """
        self._inherited = self._in_flight.left_behind
        self._owed: list[Note] = []
        self._spent: list[Note] = []
        self._take_over()
        self.catch_up()

    def reserve(self) -> "Reservation":
        """Keep room for the record of work that begins now.

        Raises HeadraceError with AUDIT_UNAVAILABLE when there is none in the spool or on its disk,
        or the disk failed and has not recovered.
        """
        wanted = self._reserved + self._limits.reserved_bytes
        if self.failed:
            raise _unavailable("the event spool's disk takes no data")
        if self._room() < wanted:
            raise _unavailable("the event spool is full")
        if self._files.free_bytes(self._directory) < wanted + self._limits.disk_margin_bytes:
            raise _unavailable("the event spool's disk is full")
        self._reserved = wanted
        return Reservation(self)

    def append(self, payload: bytes) -> None:
        """Write one record; it survives the process when this returns.

        Raises HeadraceError with AUDIT_UNAVAILABLE if spool or disk is full or the disk fails.
        """
        if not 0 < len(payload) <= self._limits.record_bytes:
            raise ValueError(f"a record has 1 to {self._limits.record_bytes} bytes")
        size = HEADER.size + len(payload)
        if size > self._room():
            self._metrics.refused.inc()
            raise _unavailable("the event spool is full")
        try:
            self._write(payload)
        except OSError as error:
            self.fail(error)
            raise _unavailable("the event spool's disk takes no data") from error

    def read(self, maximum_records: int) -> list[Record]:
        """The oldest unacknowledged records, in order; empty when there are none.

        May return fewer than there are. Damage on the way is reported and passed over.
        """
        return self._reader.read(maximum_records)

    def acknowledge(self, position: Position) -> None:
        """Forget the records of the last `read` up to and including the one that ends there."""
        try:
            self._reader.acknowledge(position)
        except OSError as error:
            # The next acknowledgement stores it again; until then a crash repeats records.
            self.fail(error)

    def reject(self, record: Record, reason: str) -> None:
        """Set a record aside that can never be delivered, and acknowledge it; raises OSError."""
        self._rejected.add(record.payload, reason, self._clock.now())
        self._metrics.rejected.inc()
        self._log.error("spool_record_rejected", reason=reason, size_bytes=len(record.payload))
        self.acknowledge(record.end)

    def catch_up(self) -> None:
        """Append the notes of work that did not come to append its record, and forget used ones.

        A kill after the append and before the note is forgotten repeats a record: receivers drop
        duplicates.
        """
        try:
            self._append_notes(self._inherited, self.kept)
            self._append_notes(self._owed, self._spent)
            while self._spent:
                self._in_flight.clear(self._spent[-1])
                self._spent.pop()
        except OSError as error:
            self.fail(error)

    def forget(self, note: Note) -> None:
        """Of `kept`; until then every start appends it again."""
        self.kept.remove(note)
        self._spent.append(note)
        if not self.failed:
            self.catch_up()

    def sync(self) -> None:
        """Make everything that was appended so far outlive the machine; raises OSError."""
        self._writer.sync()

    def probe(self) -> None:
        """Raises OSError if the disk still takes no data."""
        path = self._directory / "probe"
        path.unlink(missing_ok=True)
        descriptor = self._files.create(path)
        try:
            write_whole(self._files, descriptor, bytes(PROBE_BYTES))
            self._files.sync(descriptor)
            self.failed = False
        finally:
            os.close(descriptor)
            path.unlink()

    def fail(self, error: OSError) -> None:
        """Note that the disk failed: no new work until `probe` or an append succeeds."""
        self._metrics.failures.inc()
        self._log.error("spool_disk_failed", reason=os.strerror(error.errno or 0))
        self.failed = True
        self.unsynced.set()

    def close(self) -> None:
        """Sync and let go of the directory; nothing may be appended any more."""
        try:
            self._reader.close()
            self._in_flight.close()
            self._writer.close()
        finally:
            os.close(self._lock)

    def _note(self, payload: bytes, older: Note | None) -> Note:
        if not 0 < len(payload) <= self._limits.reserved_bytes:
            raise ValueError(f"a note has 1 to {self._limits.reserved_bytes} bytes")
        try:
            note = self._in_flight.put(payload)
        except OSError as error:
            self.fail(error)
            if older is not None:
                return older
            raise _unavailable("the event spool's disk takes no data") from error
        if older is not None:
            self._spent.append(older)
            if not self.failed:
                self.catch_up()
        return note

    def _release(self, note: Note | None, becomes: list[Note]) -> None:
        self._reserved -= self._limits.reserved_bytes
        if note is not None:
            becomes.append(note)
        if not self.failed:
            self.catch_up()

    def _take_over(self) -> None:
        """What a release with another `reserved_bytes` noted; report damage."""
        sizes = files_of_other_sizes(self._directory, self._files, self._limits.reserved_bytes)
        damaged = self._in_flight.damaged
        for older in sizes:
            damaged += older.damaged
            try:
                for note in older.left_behind:
                    self._write(note.payload)
                older.path.unlink()
            except OSError as error:
                self.fail(error)
            older.close()
        if damaged:
            self._metrics.damaged.inc(damaged)
            self._log.error("spool_damaged", count=damaged)

    def _append_notes(self, notes: list[Note], appended: list[Note]) -> None:
        while notes:
            self._write(notes[-1].payload)
            self._metrics.interrupted.inc()
            appended.append(notes.pop())

    def _write(self, payload: bytes) -> None:
        now_ms = int(self._clock.now().timestamp() * 1000)
        segment = self._writer.append(payload, now_ms)
        self.failed = False
        self._reader.note_append(segment, HEADER.size + len(payload), now_ms)
        self.appended.set()
        self.unsynced.set()

    def _room(self) -> int:
        return self._limits.maximum_bytes - self.backlog.bytes - self._rejected.size


class Reservation:
    """The room for one record; ends with `append` or `release`, whichever comes first."""

    def __init__(self, spool: Spool) -> None:
        self._spool: Spool | None = spool
        self._note: Note | None = None

    def note(self, payload: bytes) -> None:
        """Have `payload` appended later if this process is killed, or its disk fails, before then.

        Called again, it takes the former note's place; a kill in between has both appended.

        Raises HeadraceError with AUDIT_UNAVAILABLE if the disk fails, unless there is a former one,
        which stays then.
        """
        if self._spool is None:
            raise ValueError("the reservation has ended")
        self._note = self._spool._note(payload, self._note)  # noqa: SLF001 - a part of the spool

    def append(self, payload: bytes, *, keep_note: bool = False) -> Note | None:
        """`Spool.append`, in the room that was kept; ends the reservation also when it fails.

        Returns the note if that is to be kept until it is forgotten, and if there is one.
        """
        spool, note = self._spool, self._note
        if spool is None:
            raise ValueError("the reservation has ended")
        try:
            spool.append(payload)
        except HeadraceError:
            self.release()
            raise
        self._end(spool.kept if keep_note else spool._spent)  # noqa: SLF001 - a part of the spool
        return note if keep_note else None

    def release(self) -> None:
        """Give the room back without a record; a note is appended in its place."""
        if self._spool is not None:
            self._end(self._spool._owed)  # noqa: SLF001 - likewise

    def _end(self, becomes: list[Note]) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool._release(self._note, becomes)  # noqa: SLF001 - likewise


def _unavailable(message: str) -> HeadraceError:
    return HeadraceError(Reason.AUDIT_UNAVAILABLE, message, retry_after_seconds=5)
