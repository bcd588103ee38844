"""Bounds and bad disks: new work is refused with a reason, and nothing half-written remains."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError, Reason
from headrace_common.spool import Limits, Spool
from headrace_common.spool.files import Files
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.files import SmallDisk

RECORD = 24
"""Bytes of a record's header."""


def _open(
    directory: Path,
    files: Files | None = None,
    *,
    maximum: int = 10_000,
    reserved: int = 1,
    margin: int = 0,
    registry: CollectorRegistry | None = None,
) -> Spool:
    return Spool(
        directory,
        clock=FakeClock(),
        registry=registry or CollectorRegistry(),
        limits=Limits(
            maximum_bytes=maximum,
            reserved_bytes=reserved,
            disk_margin_bytes=margin,
            segment_bytes=500,
        ),
        files=files,
    )


def _refusal(spool: Spool, payload: bytes | None = None) -> str:
    with pytest.raises(HeadraceError) as caught:
        spool.reserve() if payload is None else spool.append(payload)
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    return caught.value.message


def test_a_full_spool_refuses_until_something_is_acknowledged(tmp_path: Path) -> None:
    spool = _open(tmp_path, maximum=3 * (RECORD + 10))
    for number in range(3):
        spool.append(b"%010d" % number)
    assert _refusal(spool, b"one too many") == "the event spool is full"
    spool.acknowledge(spool.read(1)[0].end)
    spool.append(b"%010d" % 3)
    assert [int(record.payload) for record in spool.read(10)] == [1, 2, 3]
    spool.close()


def test_new_work_is_refused_while_work_in_progress_still_finds_room(tmp_path: Path) -> None:
    spool = _open(tmp_path, maximum=10 * 100, reserved=100)
    running = [spool.reserve() for _ in range(10)]
    assert _refusal(spool) == "the event spool is full"
    for work in running:
        work.append(bytes(100 - RECORD))
    assert spool.backlog.records == 10
    assert _refusal(spool) == "the event spool is full"
    spool.close()


def test_work_that_needs_no_record_gives_its_room_back_once(tmp_path: Path) -> None:
    spool = _open(tmp_path, maximum=100, reserved=100)
    first = spool.reserve()
    first.release()
    first.release()
    second = spool.reserve()
    assert _refusal(spool) == "the event spool is full"
    with pytest.raises(ValueError, match="the reservation has ended"):
        first.append(b"too late")
    second.append(b"in time")
    spool.close()


def test_a_disk_with_too_little_room_refuses_new_work(tmp_path: Path) -> None:
    disk = SmallDisk(room=100)
    spool = _open(tmp_path, disk, reserved=51, margin=50)
    assert _refusal(spool) == "the event spool's disk is full"
    disk.room = 101
    spool.reserve()
    assert _refusal(spool) == "the event spool's disk is full"
    spool.close()


@pytest.mark.parametrize("room", [0, 1, RECORD - 1, RECORD, RECORD + 9])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, room: int) -> None:
    disk = SmallDisk(room=10_000)
    spool = _open(tmp_path, disk)
    spool.append(b"whole")
    disk.room = room
    assert _refusal(spool, b"ten bytes.") == "the event spool's disk takes no data"
    assert _refusal(spool) == "the event spool's disk takes no data"
    assert sum(file.stat().st_size for file in tmp_path.glob("*.segment")) == RECORD + 5
    disk.room = 10_000
    spool.append(b"after")
    spool.reserve().release()
    batch = spool.read(1)
    spool.acknowledge(batch[-1].end)
    assert [record.payload for record in batch + spool.read(9)] == [b"whole", b"after"]
    spool.close()


def test_a_probe_ends_the_refusal_once_the_disk_is_well(tmp_path: Path) -> None:
    disk = SmallDisk(room=10_000)
    spool = _open(tmp_path, disk)
    disk.broken = True
    _refusal(spool, b"x")
    with pytest.raises(OSError):
        spool.probe()
    _refusal(spool)
    disk.broken, disk.room = False, 100
    with pytest.raises(OSError):
        spool.probe()
    disk.room = 100_000
    spool.probe()
    spool.reserve().release()
    assert not (tmp_path / "probe").exists()
    spool.close()


def test_rejected_records_are_kept_and_count_towards_the_bound(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    spool = _open(tmp_path, maximum=1000, registry=registry)
    spool.append(b"poison")
    spool.append(b"sound")
    spool.reject(spool.read(1)[0], "events[0].event_id is not a UUID")
    kept = (tmp_path / "rejected.jsonl").read_text()
    assert '"payload": "cG9pc29u"' in kept
    assert '"reason": "events[0].event_id is not a UUID"' in kept
    assert [record.payload for record in spool.read(2)] == [b"sound"]
    assert registry.get_sample_value("headrace_spool_rejected_total") == 1
    room = 1000 - len(kept) - (RECORD + 5)
    assert _refusal(spool, bytes(room - RECORD + 1)) == "the event spool is full"
    spool.append(bytes(room - RECORD))
    spool.close()


def test_a_full_disk_does_not_lose_a_rejected_record(tmp_path: Path) -> None:
    disk = SmallDisk(room=10_000)
    spool = _open(tmp_path, disk)
    spool.append(b"poison")
    record = spool.read(1)[0]
    disk.room = 20
    with pytest.raises(OSError):
        spool.reject(record, "wrong")
    assert (tmp_path / "rejected.jsonl").read_bytes() == b""
    assert [again.payload for again in spool.read(1)] == [b"poison"]
    spool.close()


@pytest.mark.parametrize("payload", [b"", bytes(256 * 1024 + 1)])
def test_impossible_records_are_the_callers_fault(tmp_path: Path, payload: bytes) -> None:
    spool = _open(tmp_path)
    with pytest.raises(ValueError, match="a record has 1 to"):
        spool.append(payload)
    spool.close()


def test_metrics_tell_depth_bytes_and_age(tmp_path: Path) -> None:
    registry, clock = CollectorRegistry(), FakeClock()
    spool = Spool(tmp_path, clock=clock, registry=registry)

    def figures() -> list[float | None]:
        names = ("records", "bytes", "oldest_age_seconds")
        return [registry.get_sample_value(f"headrace_spool_{name}") for name in names]

    assert figures() == [0, 0, 0]
    spool.append(b"one")
    clock.advance(5)
    spool.append(b"three")
    clock.advance(2)
    assert figures() == [2, 2 * RECORD + 8, 7]
    spool.acknowledge(spool.read(1)[0].end)
    assert figures() == [1, RECORD + 5, 2]
    spool.close()
