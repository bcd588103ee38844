"""Append, read, acknowledge, tear, flip and reopen in any order: nothing is lost or doubled."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from prometheus_client import CollectorRegistry

from headrace_common.spool import Limits, Record, Spool
from headrace_common.testing.clock import FakeClock

LIMITS = Limits(maximum_bytes=10**6, segment_bytes=200, record_bytes=300)


@dataclass(frozen=True)
class Appended:
    payload: bytes
    file: str
    start: int
    end: int


class SpoolMachine(RuleBasedStateMachine):
    """Compares a spool with a list; crashes copy the files and damage the copy."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.generation = 0
        self.on_disk: list[Appended] = []
        self.acknowledged = 0
        self.batch: list[Record] = []
        self.spool = self.open()

    @property
    def directory(self) -> Path:
        return self.root / str(self.generation)

    @property
    def segments(self) -> list[Path]:
        return sorted(self.directory.glob("*.segment"))

    @property
    def pending(self) -> list[Appended]:
        return self.on_disk[self.acknowledged :]

    def open(self) -> Spool:
        return Spool(self.directory, clock=FakeClock(), registry=CollectorRegistry(), limits=LIMITS)

    def forget(self, lost: list[Appended]) -> None:
        pending = [record for record in self.pending if record not in lost]
        done = [record for record in self.on_disk[: self.acknowledged] if record not in lost]
        self.on_disk, self.acknowledged = done + pending, len(done)

    def copy_as_a_crash_would_leave_it(self) -> None:
        before = self.directory
        self.generation += 1
        shutil.copytree(before, self.directory)
        self.spool.close()
        self.batch = []

    @rule(payload=st.binary(min_size=1, max_size=300))
    def append(self, payload: bytes) -> None:
        self.spool.append(payload)
        file = self.segments[-1]
        end = file.stat().st_size
        self.on_disk.append(Appended(payload, file.name, end - len(payload) - 24, end))

    @rule(count=st.integers(1, 5))
    def read(self, count: int) -> None:
        self.batch = self.spool.read(count)
        assert len(self.batch) <= count
        assert bool(self.batch) == bool(self.pending)
        expected = [record.payload for record in self.pending[: len(self.batch)]]
        assert [record.payload for record in self.batch] == expected

    @precondition(lambda self: self.batch)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, len(self.batch)))
        self.spool.acknowledge(self.batch[count - 1].end)
        self.batch = self.batch[count:]
        self.acknowledged += count

    @rule()
    def stop_and_start(self) -> None:
        self.spool.close()
        self.batch = []
        self.spool = self.open()

    @rule()
    def die_and_start(self) -> None:
        self.copy_as_a_crash_would_leave_it()
        self.spool = self.open()

    @precondition(lambda self: self.segments)
    @rule(data=st.data())
    def die_with_a_torn_end(self, data: st.DataObject) -> None:
        self.copy_as_a_crash_would_leave_it()
        newest = self.segments[-1]
        size = data.draw(st.integers(0, newest.stat().st_size))
        with newest.open("r+b") as file:
            file.truncate(size)
        self.forget([r for r in self.on_disk if r.file == newest.name and r.end > size])
        self.spool = self.open()

    @precondition(lambda self: self.segments)
    @rule(data=st.data(), bit=st.integers(0, 7))
    def die_and_find_a_bit_flipped(self, data: st.DataObject, bit: int) -> None:
        self.copy_as_a_crash_would_leave_it()
        segment = data.draw(st.sampled_from([s for s in self.segments if s.stat().st_size]))
        content = bytearray(segment.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= 1 << bit
        segment.write_bytes(content)
        hit = [r for r in self.on_disk if r.file == segment.name and r.start <= place < r.end]
        self.forget(hit)
        self.spool = self.open()

    @rule(data=st.data())
    def die_with_a_torn_cursor(self, data: st.DataObject) -> None:
        self.copy_as_a_crash_would_leave_it()
        cursor = self.directory / "cursor"
        content = cursor.read_bytes()
        cursor.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        left = {segment.name for segment in self.segments}
        self.forget([record for record in self.on_disk if record.file not in left])
        self.spool = self.open()
        repeated = self.spool.backlog.records - len(self.pending)
        assert 0 <= repeated <= self.acknowledged
        self.acknowledged -= repeated

    @invariant()
    def backlog_counts_what_is_pending(self) -> None:
        assert self.spool.backlog.records == len(self.pending)
        assert (self.spool.backlog.oldest_ms is None) == (not self.pending)

    def teardown(self) -> None:
        self.spool.close()
        self.spool = self.open()
        rest: list[bytes] = []
        while batch := self.spool.read(3):
            rest += [record.payload for record in batch]
            self.spool.acknowledge(batch[-1].end)
        assert rest == [record.payload for record in self.pending]
        self.spool.close()
        shutil.rmtree(self.root)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
