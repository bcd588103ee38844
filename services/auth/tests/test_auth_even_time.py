"""An answer's duration is a whole number of steps, whatever it did; by a clock that tests move."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.adapters.memory import MemoryStore, MemoryTransaction
from headrace_auth.testing.account_suite import NEWCOMER, registration
from headrace_auth.testing.accounts import HERE, AccountWorld, account_world
from headrace_auth.testing.directory import OWNER
from headrace_auth.use_cases.even_time import STEP_SECONDS, EvenTime
from headrace_common.testing.clock import FakeClock

SECONDS_PER_RECORD = 0.01


class Sleeper:
    """Sleeps on a clock that only it moves."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.advance(seconds)


@given(st.floats(0, 100))
async def test_work_takes_a_whole_number_of_steps(work: float) -> None:
    clock = FakeClock()
    started = clock.monotonic()
    async with EvenTime(clock, Sleeper(clock), step_seconds=0.5).whole_steps():
        clock.advance(work)
    took = clock.monotonic() - started
    assert took / 0.5 == pytest.approx(round(took / 0.5))
    assert work <= took + 1e-9
    assert took <= work + 0.5


async def test_what_fails_fails_at_once(clock: FakeClock) -> None:
    sleeper = Sleeper(clock)
    with pytest.raises(LookupError):
        async with EvenTime(clock, sleeper).whole_steps():
            raise LookupError
    assert sleeper.slept == []


class SlowStore(MemoryStore):
    """Takes its time for every record that changes."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._moved = clock

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryTransaction]:
        async with super().begin() as transaction:
            before = self._records()
            yield transaction
            after = self._records()
            changed = [key for key in before | after if before.get(key) is not after.get(key)]
            self._moved.advance(SECONDS_PER_RECORD * len(changed))

    def _records(self) -> dict[Any, Any]:
        rows = self.rows.items()
        return {(kind, key): record for kind, kept in rows for key, record in kept.items()}


async def _register(world: AccountWorld, email: str) -> None:
    await world.registration().register(HERE, registration(email))


async def _resend(world: AccountWorld, email: str) -> None:
    await world.verification.resend(HERE, email)


async def _request_reset(world: AccountWorld, email: str) -> None:
    await world.password_reset.request(HERE, email)


@pytest.mark.parametrize("ask", [_register, _resend, _request_reset])
async def test_an_account_that_is_there_takes_as_long_as_one_that_is_not(
    clock: FakeClock, ask: Callable[[AccountWorld, str], Awaitable[None]]
) -> None:
    sleeper = Sleeper(clock)
    async with account_world(SlowStore(clock), clock, sleeper) as world:
        await _register(world, NEWCOMER)
        sleeper.slept.clear()
        seconds = []
        for email in (NEWCOMER, OWNER.email, "nobody@people.test"):
            started = clock.monotonic()
            await ask(world, email)
            seconds.append(clock.monotonic() - started)
    assert max(sleeper.slept) - min(sleeper.slept) > SECONDS_PER_RECORD / 2  # uneven work
    # The caller's address is counted before the steps begin, whoever is asked about.
    assert seconds == pytest.approx([STEP_SECONDS + SECONDS_PER_RECORD] * 3)
