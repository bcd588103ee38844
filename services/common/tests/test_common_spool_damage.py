"""Damaged segments: what can be saved is saved, what is lost is told, and reading always ends."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from headrace_common.spool import Record, Spool
from headrace_common.spool.records import encode, scan
from headrace_common.testing.clock import FakeClock

MARKER = bytes(range(8))
PAYLOADS = [b"first", b"second", b"third", b"fourth"]


def _open(directory: Path, registry: CollectorRegistry | None = None) -> Spool:
    return Spool(directory, clock=FakeClock(), registry=registry or CollectorRegistry())


def _filled(directory: Path) -> Path:
    spool = _open(directory)
    for payload in PAYLOADS:
        spool.append(payload)
    spool.close()
    return next(directory.glob("*.segment"))


def _payloads(records: list[Record]) -> list[bytes]:
    return [record.payload for record in records]


@given(st.lists(st.binary(min_size=1, max_size=30)), st.data())
def test_records_are_found_again_behind_any_garbage(
    payloads: list[bytes], data: st.DataObject
) -> None:
    pieces = st.sampled_from([MARKER, MARKER[:5], encode(MARKER, 7, b"torn")[:-1], b"x"])
    garbage = st.one_of(st.binary(max_size=40), st.lists(pieces, max_size=4).map(b"".join))
    content = data.draw(garbage)
    for payload in payloads:
        content += encode(MARKER, 7, payload) + data.draw(garbage)
    assert [found.payload for found in scan(content, MARKER)] == payloads


@given(st.binary(max_size=200))
def test_scanning_anything_ends(content: bytes) -> None:
    assert list(scan(MARKER + content + MARKER * 20, MARKER)) == []


def test_no_payload_can_pass_for_a_record(tmp_path: Path) -> None:
    forged = encode(MARKER, 7, b"forged")
    content = bytearray(encode(b"realmark", 7, forged))
    content[10] ^= 1
    assert list(scan(bytes(content), b"realmark")) == []


def test_damage_that_is_there_at_the_start_is_told_and_passed(tmp_path: Path) -> None:
    segment = _filled(tmp_path)
    segment.write_bytes(segment.read_bytes().replace(b"second", b"s3cond"))
    registry = CollectorRegistry()
    spool = _open(tmp_path, registry)
    assert spool.backlog.records == 3
    records = spool.read(10)
    assert _payloads(records) == [b"first", b"third", b"fourth"]
    assert registry.get_sample_value("headrace_spool_damaged_total") == 1
    spool.acknowledge(records[-1].end)
    assert spool.backlog.records == spool.backlog.bytes == 0
    spool.close()


def test_damage_that_comes_later_is_told_and_passed(tmp_path: Path) -> None:
    _filled(tmp_path)
    registry = CollectorRegistry()
    spool = _open(tmp_path, registry)
    segment = next(tmp_path.glob("*.segment"))
    segment.write_bytes(bytes(segment.stat().st_size))
    assert spool.read(10) == spool.read(10) == []
    assert spool.backlog.records == spool.backlog.bytes == 0
    spool.append(b"fifth")
    records = spool.read(10)
    assert _payloads(records) == [b"fifth"]
    assert registry.get_sample_value("headrace_spool_damaged_total") == 1
    spool.acknowledge(records[-1].end)
    assert spool.backlog.records == spool.backlog.bytes == 0
    spool.close()


def test_a_torn_record_is_cut_and_is_no_damage(tmp_path: Path) -> None:
    segment = _filled(tmp_path)
    whole = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(encode(MARKER, 7, b"torn")[:-1])
    registry = CollectorRegistry()
    spool = _open(tmp_path, registry)
    assert segment.stat().st_size == whole
    assert registry.get_sample_value("headrace_spool_damaged_total") == 0
    assert _payloads(spool.read(10)) == PAYLOADS
    spool.close()


def test_a_segment_that_somebody_removed_is_passed(tmp_path: Path) -> None:
    _filled(tmp_path)
    spool = _open(tmp_path)
    next(tmp_path.glob("*.segment")).unlink()
    assert spool.read(10) == []
    spool.append(b"fifth")
    assert _payloads(spool.read(10)) == [b"fifth"]
    spool.close()


@pytest.mark.parametrize(("damaged_byte", "acknowledged"), [(0, 3), (4096, 2)])
def test_a_damaged_slot_of_the_cursor_repeats_at_most_one_acknowledgement(
    tmp_path: Path, damaged_byte: int, acknowledged: int
) -> None:
    _filled(tmp_path)
    spool = _open(tmp_path)
    for _ in range(3):
        spool.acknowledge(spool.read(1)[0].end)
    spool.close()
    content = bytearray((tmp_path / "cursor").read_bytes())
    content[damaged_byte] ^= 1
    (tmp_path / "cursor").write_bytes(content)
    spool = _open(tmp_path)
    assert _payloads(spool.read(10)) == PAYLOADS[acknowledged:]
    spool.close()


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(20), b"\xff" * 8192])
def test_a_lost_cursor_repeats_but_loses_nothing(tmp_path: Path, content: bytes) -> None:
    _filled(tmp_path)
    (tmp_path / "cursor").write_bytes(content)
    spool = _open(tmp_path)
    assert _payloads(spool.read(10)) == PAYLOADS
    spool.close()
