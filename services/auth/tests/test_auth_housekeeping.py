"""Housekeeping forgets what has had its day, in bounded steps, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from headrace_auth.adapters.memory import MemoryStore, MemoryTransaction
from headrace_auth.domain.announcements import REVOCATIONS_KEPT, Revocation
from headrace_auth.domain.lockout import LONGEST_MEMORY, LoginFailures
from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.records import Record
from headrace_auth.domain.sessions import OneTimeToken, Purpose, RefreshToken, Session
from headrace_auth.testing.directory import ACME, OWNER
from headrace_auth.use_cases.housekeeping import BATCH, Housekeeping
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

HOUR = timedelta(hours=1)


@pytest.fixture
def housekeeping(store: MemoryStore) -> Housekeeping:
    return Housekeeping(store, access_token_seconds=1800)


async def _keep(store: MemoryStore, *records: Record) -> None:
    async with store.begin() as transaction:
        for record in records:
            await transaction.of(type(record)).add(record)


async def _left(store: MemoryStore, record_type: type[Record]) -> int:
    async with store.begin() as transaction:
        return len(await transaction.of(record_type).find())


def _session(clock: FakeClock, number: int = 0) -> Session:
    now = clock.now()
    return Session(f"s{number}", OWNER.user_id, ACME, now, now, now)


@pytest.mark.parametrize("kind", ["session", "refresh", "one_time", "code", "failures", "ended"])
async def test_what_is_old_is_forgotten_and_not_a_moment_before(
    housekeeping: Housekeeping, store: MemoryStore, clock: FakeClock, kind: str
) -> None:
    now, session = clock.now(), _session(clock)
    records: dict[str, tuple[Any, timedelta]] = {
        "session": (session, HOUR),
        "refresh": (RefreshToken(b"r", session.session_id, now, now), HOUR),
        "one_time": (OneTimeToken(b"o", Purpose.VERIFY_EMAIL, OWNER.user_id, now, now), HOUR),
        "code": (
            AuthorizationCode(b"c", "app", OWNER.user_id, ACME, "", frozenset(), "", now, now),
            HOUR,
        ),
        "failures": (LoginFailures("subject", 1, now, now), LONGEST_MEMORY),
        "ended": (Revocation(ACME, "session:1", now), REVOCATIONS_KEPT + HOUR),
    }
    record, age = records[kind]
    await _keep(store, record)
    clock.advance(age.total_seconds())
    assert await housekeeping.clean_up() == 0
    assert await _left(store, type(record)) == 1
    clock.advance(0.000001)
    assert await housekeeping.clean_up() == 1
    assert await _left(store, type(record)) == 0


async def test_a_session_that_was_ended_stays_until_it_would_have_expired(
    housekeeping: Housekeeping, store: MemoryStore, clock: FakeClock
) -> None:
    later = clock.now() + 24 * HOUR
    await _keep(store, replace(_session(clock), expires_at=later, ended_at=clock.now()))
    clock.advance(3 * 3600)
    assert await housekeeping.clean_up() == 0


async def test_much_is_forgotten_in_steps(
    housekeeping: Housekeeping, store: MemoryStore, clock: FakeClock
) -> None:
    await _keep(store, *(_session(clock, number) for number in range(2 * BATCH + 1)))
    clock.advance(2 * 3600)
    with capture_logs() as lines:
        assert await housekeeping.clean_up() == 2 * BATCH + 1
    assert lines == [{"event": "housekeeping_done", "count": 2 * BATCH + 1, "log_level": "info"}]


class FlakyStore(MemoryStore):
    """Unavailable until told otherwise; tells when it was asked, and when no session is left."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.is_down = True
        self.asked, self.empty = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryTransaction]:
        self.asked.set()
        if self.is_down:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "the database is away")
        async with super().begin() as transaction:
            yield transaction
        if not self.rows[Session]:
            self.empty.set()


async def test_an_outage_is_survived(clock: FakeClock) -> None:
    store, session = FlakyStore(clock), _session(clock)
    store.rows[Session] = {(session.session_id,): session}
    clock.advance(2 * 3600)
    keeping = Housekeeping(store, access_token_seconds=1800).keep_house(period_seconds=0)
    task = asyncio.create_task(keeping)
    await store.asked.wait()
    assert not store.empty.is_set()
    store.is_down = False
    async with asyncio.timeout(5):
        await store.empty.wait()
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
