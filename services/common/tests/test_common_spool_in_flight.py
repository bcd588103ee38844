"""Work that was running when its process was killed, or its disk failed, still gets a record."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError
from headrace_common.spool import Limits, Reservation, Spool, keep_synced
from headrace_common.spool.files import SystemFiles
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.files import SmallDisk

LIMITS = Limits(reserved_bytes=1000, disk_margin_bytes=0)

WORKER = """
import os, signal, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from headrace_common.clock import SystemClock
from headrace_common.spool import Spool

spool = Spool(Path(sys.argv[1]), clock=SystemClock(), registry=CollectorRegistry())
ended, running, not_noted = spool.reserve(), spool.reserve(), spool.reserve()
ended.note(b"ended, interrupted")
running.note(b"running, interrupted")
ended.append(b"ended")
os.kill(os.getpid(), signal.SIGKILL)
"""


def _open(directory: Path, **given: Any) -> Spool:
    options = {"clock": FakeClock(), "registry": CollectorRegistry(), "limits": LIMITS, **given}
    spool = Spool(directory, **options)
    for note in [*spool.kept]:
        spool.forget(note)
    return spool


def _payloads(spool: Spool) -> list[bytes]:
    """All of them, which are acknowledged then."""
    payloads = []
    while batch := spool.read(100):
        payloads += [record.payload for record in batch]
        spool.acknowledge(batch[-1].end)
    return payloads


def test_a_killed_process_leaves_a_record_of_what_it_was_doing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)], env=environment, timeout=30, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    registry = CollectorRegistry()
    spool = _open(tmp_path, registry=registry, limits=Limits())
    assert _payloads(spool) == [b"ended", b"running, interrupted"]
    assert registry.get_sample_value("headrace_spool_interrupted_total") == 1
    spool.close()
    again = _open(tmp_path, limits=Limits())
    assert _payloads(again) == []
    again.close()


def test_a_clean_end_leaves_no_note(tmp_path: Path) -> None:
    spool = _open(tmp_path)
    work = spool.reserve()
    work.note(b"interrupted")
    work.append(b"done")
    spool.close()
    again = _open(tmp_path)
    assert _payloads(again) == [b"done"]
    again.close()


def test_work_that_is_given_up_leaves_its_note_as_the_record(tmp_path: Path) -> None:
    spool = _open(tmp_path)
    work = spool.reserve()
    work.note(b"interrupted")
    work.release()
    assert _payloads(spool) == [b"interrupted"]
    spool.close()


def test_a_later_note_takes_the_place_of_the_former(tmp_path: Path) -> None:
    spool = _open(tmp_path)
    work, other = spool.reserve(), spool.reserve()
    for payload in (b"begun", b"grown", b"ended"):
        work.note(payload)
        other.note(payload[::-1])
    other.append(b"done")
    spool.close()
    assert (tmp_path / "in-flight-1000").stat().st_size <= 3 * 1008
    after = _open(tmp_path)
    assert _payloads(after) == [b"done", b"ended"]
    after.close()


def test_a_later_note_that_the_disk_refuses_leaves_the_former(tmp_path: Path) -> None:
    disk = SmallDisk(room=200_000)
    spool = _open(tmp_path, files=disk)
    work = spool.reserve()
    work.note(b"begun")
    disk.broken = True
    work.note(b"grown")
    assert spool.failed
    spool.close()
    disk.broken = False
    after = _open(tmp_path, files=disk)
    assert _payloads(after) == [b"begun"]
    after.close()


class Forgetful(SystemFiles):
    """Cannot write after so many writes into slots: as far as the disk knows, the process ended."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def write_at(self, descriptor: int, data: bytes, offset: int) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "killed")
        return super().write_at(descriptor, data, offset)


def test_a_kill_between_two_notes_leaves_both(tmp_path: Path) -> None:
    spool = _open(tmp_path, files=Forgetful(4))  # a slot, a note, and the same again
    work = spool.reserve()
    work.note(b"begun")
    work.note(b"grown")
    spool.close()
    after = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry(), limits=LIMITS)
    appended = _payloads(after)
    assert sorted(appended) == [b"begun", b"grown"]
    assert [note.payload for note in after.kept] == appended
    after.close()


def test_what_was_kept_is_appended_at_every_start_until_it_is_forgotten(
    tmp_path: Path,
) -> None:
    spool = _open(tmp_path)
    for payload in (b"first", b"second"):
        spool.reserve().note(payload)
    spool.close()
    for expected in ([b"first", b"second"], [b"first"], []):
        spool = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry(), limits=LIMITS)
        assert sorted(_payloads(spool)) == expected
        if expected:
            spool.forget(next(n for n in spool.kept if n.payload == expected[-1]))
        spool.close()


async def test_a_record_that_the_disk_refused_is_made_up_for_from_its_note(tmp_path: Path) -> None:
    disk = SmallDisk(room=200_000)
    spool = _open(tmp_path, files=disk)
    work = spool.reserve()
    work.note(b"interrupted")
    disk.broken = True
    with pytest.raises(HeadraceError):
        work.append(b"done")
    disk.broken = False
    syncing = asyncio.create_task(keep_synced(spool, interval_seconds=0, probe_seconds=0))
    async with asyncio.timeout(10):
        await spool.appended.wait()
    syncing.cancel()
    await asyncio.wait([syncing])
    assert _payloads(spool) == [b"interrupted"]
    spool.reserve().release()
    spool.close()


def test_a_note_that_could_not_be_forgotten_is_forgotten_later(tmp_path: Path) -> None:
    disk = SmallDisk(room=200_000)
    spool = _open(tmp_path, files=disk)
    first, second = spool.reserve(), spool.reserve()
    first.note(b"interrupted")
    first.append(b"done")
    second.note(b"interrupted, too")
    disk.broken = True
    second.release()
    disk.broken = False
    spool.catch_up()
    assert _payloads(spool) == [b"done", b"interrupted, too"]
    spool.close()
    again = _open(tmp_path)
    assert _payloads(again) == []
    again.close()


def test_a_damaged_note_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    spool = _open(tmp_path)
    for payload in (b"first", b"second"):
        spool.reserve().note(payload)
    spool.close()
    file = tmp_path / "in-flight-1000"
    content = bytearray(file.read_bytes())
    content[9] ^= 1
    file.write_bytes(content)
    registry = CollectorRegistry()
    again = _open(tmp_path, registry=registry)
    assert _payloads(again) == [b"second"]
    assert registry.get_sample_value("headrace_spool_damaged_total") == 1
    again.close()


def test_a_release_with_larger_notes_takes_over_the_smaller_ones(tmp_path: Path) -> None:
    spool = _open(tmp_path)
    for payload in (b"first", b"second"):
        spool.reserve().note(payload)
    spool.close()
    later = _open(tmp_path, limits=Limits(reserved_bytes=2000, disk_margin_bytes=0))
    assert sorted(_payloads(later)) == [b"first", b"second"]
    later.close()
    assert [path.name for path in tmp_path.glob("in-flight-*")] == ["in-flight-2000"]


def test_a_disk_that_is_full_at_the_start_delays_the_notes_only(tmp_path: Path) -> None:
    disk = SmallDisk(room=200_000)
    killed = _open(tmp_path, files=disk)
    killed.reserve().note(b"interrupted")
    killed.close()
    disk.room = 0
    spool = _open(tmp_path, files=disk)
    assert _payloads(spool) == []
    disk.room = 200_000
    spool.probe()
    spool.catch_up()
    assert _payloads(spool) == [b"interrupted"]
    spool.close()


def test_a_full_disk_refuses_the_note_and_so_the_work(tmp_path: Path) -> None:
    disk = SmallDisk(room=2000)
    spool = _open(tmp_path, files=disk)
    first, second = spool.reserve(), spool.reserve()
    first.note(b"in the room of the first slot")
    disk.room = 100
    with pytest.raises(HeadraceError, match="takes no data"):
        second.note(b"no room for a second slot")
    first.append(b"done")
    assert _payloads(spool) == [b"done"]
    spool.close()


@pytest.mark.parametrize("payload", [b"", bytes(1001)])
def test_impossible_notes_are_the_callers_fault(tmp_path: Path, payload: bytes) -> None:
    spool = _open(tmp_path)
    with pytest.raises(ValueError, match="a note has 1 to 1000 bytes"):
        spool.reserve().note(payload)
    spool.close()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["begin", "end", "kill"]), max_size=40))
def test_every_piece_of_work_leaves_exactly_one_record(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        _expect_one_record_each(Path(directory), steps)


def _expect_one_record_each(directory: Path, steps: list[str]) -> None:
    spool, begun = _open(directory), 0
    running: list[tuple[Reservation, int]] = []
    for step in steps:
        if step == "begin":
            work = spool.reserve()
            work.note(b"%d" % begun)
            running.append((work, begun))
            begun += 1
        elif step == "end" and running:
            work, number = running.pop(0)
            work.append(b"%d" % number)
        elif step == "kill":
            spool.close()
            spool, running = _open(directory), []
    spool.close()
    spool = _open(directory)
    assert sorted(map(int, _payloads(spool))) == list(range(begun))
    assert (directory / "in-flight-1000").stat().st_size <= begun * 1008
    spool.close()
