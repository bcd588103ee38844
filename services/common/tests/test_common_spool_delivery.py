"""Delivery: in order, at least once, through any outage, around any record that cannot be taken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError, Reason
from headrace_common.runtime import Runtime
from headrace_common.spool import Delivery, Limits, Policy, Spool, keep_synced, start_spool
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.files import SmallDisk

POLICY = Policy(
    batch_records=8, send_seconds=5, first_pause_seconds=0.001, longest_pause_seconds=0.002
)
UNAVAILABLE = HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the database does not answer")


class Receiver:
    """Takes batches unless told to fail; refuses records that contain `poison`."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.taken: list[bytes] = []
        self.tries = 0
        self._changed = asyncio.Condition()

    async def send(self, payloads: list[bytes]) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop()
        if any(b"poison" in payload for payload in payloads):
            raise HeadraceError(Reason.INVALID_FIELD, "events[0].event_id is not a UUID")
        async with self._changed:
            self.taken += payloads
            self._changed.notify_all()

    async def until(self, satisfied: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(satisfied)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry())


@asynccontextmanager
async def running(spool: Spool, receiver: Receiver, policy: Policy = POLICY) -> AsyncIterator[None]:
    runtime = Runtime(step_seconds=5)
    start_spool(runtime, spool, receiver.send, policy=policy)
    try:
        yield
    finally:
        await runtime.close()
        assert not runtime.failed


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


async def test_what_waits_and_what_comes_is_delivered_in_order(spool: Spool) -> None:
    receiver = Receiver()
    for payload in numbered(20):
        spool.append(payload)
    async with running(spool, receiver):
        await receiver.until(lambda: len(receiver.taken) == 20)
        spool.append(b"late")
        await receiver.until(lambda: len(receiver.taken) == 21)
    assert receiver.taken == [*numbered(20), b"late"]
    assert receiver.tries == 4


async def test_what_waits_in_several_segments_is_delivered_though_nothing_more_comes(
    tmp_path: Path,
) -> None:
    receiver, limits = Receiver(), Limits(segment_bytes=100)
    spool = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry(), limits=limits)
    for payload in numbered(20):
        spool.append(payload)
    assert len(spool.read(8)) < 8
    async with running(spool, receiver):
        await receiver.until(lambda: len(receiver.taken) == 20)
    assert receiver.taken == numbered(20)


async def test_what_a_killed_process_noted_is_delivered_though_nothing_more_comes(
    tmp_path: Path, spool: Spool
) -> None:
    receiver = Receiver()
    spool.append(b"recorded")
    spool.reserve().note(b"interrupted")
    spool.close()
    after = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry())
    async with running(after, receiver):
        await receiver.until(lambda: receiver.taken == [b"recorded", b"interrupted"])
    assert receiver.tries == 2


async def test_failures_of_every_sort_are_outlived(spool: Spool) -> None:
    receiver = Receiver()
    receiver.failures = [UNAVAILABLE, TimeoutError(), KeyError("a fault of ours"), OSError()] * 3
    spool.append(b"patient")
    async with running(spool, receiver):
        await receiver.until(lambda: receiver.taken == [b"patient"])
    assert receiver.tries == 13


async def test_a_receiver_that_hangs_is_asked_again(spool: Spool) -> None:
    hung, answered = asyncio.Event(), asyncio.Event()
    taken: list[bytes] = []

    async def send(payloads: list[bytes]) -> None:
        if not hung.is_set():
            hung.set()
            await asyncio.Event().wait()
        taken.extend(payloads)
        answered.set()

    spool.append(b"x")
    policy = Policy(send_seconds=0.01, first_pause_seconds=0.001)
    delivery = asyncio.create_task(Delivery(spool, send, policy).run())
    async with asyncio.timeout(10):
        await answered.wait()
    assert taken == [b"x"]
    delivery.cancel()
    await asyncio.wait([delivery])
    spool.close()


@pytest.mark.parametrize("poisoned", [{0}, {7}, {3, 4}, {0, 1, 2, 3, 4, 5, 6, 7}, {19}])
async def test_poison_is_set_aside_and_the_rest_arrives(
    spool: Spool, tmp_path: Path, poisoned: set[int]
) -> None:
    receiver = Receiver()
    payloads = [b"poison%d" % n if n in poisoned else b"%d" % n for n in range(20)]
    for payload in [*payloads, b"end"]:
        spool.append(payload)
    async with running(spool, receiver):
        await receiver.until(lambda: b"end" in receiver.taken)
    sound = [payload for payload in payloads if b"poison" not in payload]
    assert receiver.taken == [*sound, b"end"]
    rejected = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert len(rejected) == len(poisoned)


async def test_an_outage_between_the_halves_neither_loses_nor_reorders(spool: Spool) -> None:
    receiver = Receiver()
    sound = receiver.send

    async def flaky(payloads: list[bytes]) -> None:
        if receiver.tries % 3 == 1:
            receiver.failures = [UNAVAILABLE]
        await sound(payloads)

    for payload in [*numbered(5), b"poison", b"6", b"7"]:
        spool.append(payload)
    await Delivery(spool, flaky, POLICY).flush(10)
    assert receiver.taken == [*numbered(5), b"6", b"7"]
    assert spool.backlog.records == 0
    spool.close()


async def test_shutdown_delivers_what_is_left(spool: Spool) -> None:
    receiver = Receiver()
    async with running(spool, receiver):
        for payload in numbered(50):
            spool.append(payload)
    assert receiver.taken == numbered(50)
    assert spool.backlog.records == 0


async def test_what_shutdown_cannot_deliver_is_delivered_next_time(tmp_path: Path) -> None:
    receiver = Receiver()
    spool = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry())
    spool.append(b"kept")
    receiver.failures = [UNAVAILABLE] * 100
    policy = Policy(first_pause_seconds=0.02)
    await Delivery(spool, receiver.send, policy).flush(0.05)
    spool.close()
    receiver.failures = []
    again = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry())
    async with running(again, receiver):
        await receiver.until(lambda: bool(receiver.taken))
    assert receiver.taken == [b"kept"]


async def test_appends_are_synced_in_groups_and_a_broken_disk_is_probed(tmp_path: Path) -> None:
    disk = SmallDisk(room=10**6)
    spool = Spool(tmp_path, clock=FakeClock(), registry=CollectorRegistry(), files=disk)
    task = asyncio.create_task(keep_synced(spool, interval_seconds=0.02, probe_seconds=0.001))
    for payload in numbered(100):
        spool.append(payload)
    await _expect_soon(lambda: disk.syncs == 1)
    disk.broken = True
    spool.unsynced.set()
    await _expect_soon(lambda: spool.failed)
    disk.broken = False
    await _expect_soon(lambda: not spool.failed)
    task.cancel()
    await asyncio.wait([task])
    spool.close()


async def _expect_soon(satisfied: Callable[[], bool]) -> None:
    """For what another thread does, which nobody announces."""
    async with asyncio.timeout(10):
        while not satisfied():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_pauses_grow_with_jitter_up_to_a_bound(attempt: int, chance: float) -> None:
    policy = Policy(first_pause_seconds=0.1, longest_pause_seconds=5)
    ceiling = min(5, 0.1 * 2 ** min(attempt, 30))
    assert ceiling / 2 <= policy.pause_seconds(attempt, chance) <= ceiling
