"""An answer's duration is a whole number of steps, whatever it did."""

import asyncio
import time

import pytest

from headrace_auth.use_cases.even_time import even_time

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
    async with asyncio.timeout(1):
        await _seconds(0, 0)


async def test_what_fails_fails_at_once() -> None:
    async with asyncio.timeout(1):
        with pytest.raises(LookupError):
            async with even_time(3600):
                raise LookupError
