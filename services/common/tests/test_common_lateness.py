"""A process that is late itself notices, and does not blame others for it."""

import asyncio
import time

import pytest

from headrace_common.lateness import (
    ACCEPTABLE_SECONDS,
    BEAT_SECONDS,
    LoopLateness,
    patient_timeout,
)


async def test_a_loop_that_is_blocked_is_late_at_once_and_for_a_while() -> None:
    lateness = LoopLateness()
    watching = asyncio.create_task(lateness.watch())
    await asyncio.sleep(BEAT_SECONDS)
    time.sleep(3 * ACCEPTABLE_SECONDS)  # noqa: ASYNC251 - this is what blocks it
    at_once = lateness.seconds()
    await asyncio.sleep(BEAT_SECONDS)
    assert at_once > ACCEPTABLE_SECONDS
    assert lateness.seconds() > ACCEPTABLE_SECONDS
    watching.cancel()
    await asyncio.wait([watching])


async def test_nobody_is_late_before_the_first_beat() -> None:
    assert LoopLateness().seconds() == 0


async def test_time_is_up_unless_we_are_late_ourselves() -> None:
    late = iter([1.0, 1.0, 0.0])
    answer = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, answer.set)
    async with patient_timeout(0.005, lambda: 1.0):
        await answer.wait()
    with pytest.raises(TimeoutError):
        async with patient_timeout(0.005, lambda: next(late)):
            await asyncio.Event().wait()
    assert next(late, None) is None


async def test_being_late_is_no_excuse_for_ever() -> None:
    with pytest.raises(TimeoutError):
        async with patient_timeout(0.005, lambda: 1.0):
            await asyncio.Event().wait()
