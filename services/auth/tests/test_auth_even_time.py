"""An answer's duration is a whole number of steps, whatever it did."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from headrace_auth.adapters.memory import MemoryStore, MemoryTransaction
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.sessions import OneTimeToken
from headrace_auth.testing.account_suite import NEWCOMER, registration
from headrace_auth.testing.accounts import HERE, AccountWorld, account_world
from headrace_auth.testing.directory import OWNER
from headrace_auth.use_cases.even_time import even_time
from headrace_common.testing.clock import FakeClock

STEP = 0.05


async def _seconds(work: float, step: float) -> float:
    started = time.perf_counter()
    async with even_time(step):
        await asyncio.sleep(work)
    return time.perf_counter() - started


async def test_little_work_takes_one_step_and_more_takes_two() -> None:
    assert await _seconds(0, STEP) + 0.001 >= STEP
    assert await _seconds(1.2 * STEP, STEP) + 0.001 >= 2 * STEP


async def test_without_a_step_nothing_is_waited_for() -> None:
    assert await _seconds(0, 0) < STEP


async def test_what_fails_fails_at_once() -> None:
    async with asyncio.timeout(1):
        with pytest.raises(LookupError):
            async with even_time(3600):
                raise LookupError


class SlowStore(MemoryStore):
    """Takes its time for what only existing or only new accounts have it write."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[MemoryTransaction]:
        async with super().begin() as transaction:
            before = self._written()
            yield transaction
            if self._written() != before:
                await asyncio.sleep(2 * STEP)

    def _written(self) -> list[int]:
        return [len(self.rows.get(each, {})) for each in (OneTimeToken, OutboxEvent)]


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
    async with account_world(SlowStore(clock), clock, step_seconds=5 * STEP) as world:
        await _register(world, NEWCOMER)
        seconds = []
        for email in (NEWCOMER, OWNER.email, "nobody@people.test"):
            started = time.perf_counter()
            await ask(world, email)
            seconds.append(time.perf_counter() - started)
    assert max(seconds) - min(seconds) < STEP
