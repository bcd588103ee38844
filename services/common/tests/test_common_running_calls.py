"""Calls are bounded, and at shutdown let end while no others come in; health always passes."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_limits import MAXIMUM_IDLE, RunningCalls
from headrace_common.testing.tasks import settle

CALL, CHECK, WATCH = "/a.Service/Call", "/health/Check", "/health/Watch"
SECONDS = 5
LONG_SECONDS = 600


def calls_up_to(maximum: int) -> RunningCalls:
    return RunningCalls(maximum, exempt=(CHECK,), idle=(WATCH,))


async def refusal(calls: RunningCalls, method: str = CALL) -> tuple[Reason, float | None]:
    """Why a further call is refused, and when to come again."""
    with pytest.raises(HeadraceError) as caught:
        async with calls.around(method, None):
            pytest.fail("it was let in")
    return caught.value.reason, caught.value.retry_after_seconds


async def test_a_call_beyond_the_bound_is_refused_until_another_has_ended() -> None:
    calls = calls_up_to(1)
    async with calls.around(CALL, None):
        assert await refusal(calls) == (Reason.QUEUE_FULL, 1)
    async with calls.around(CALL, None):
        assert await refusal(calls) == (Reason.QUEUE_FULL, 1)


async def test_a_drain_lasts_as_long_as_the_calls_that_had_begun() -> None:
    calls = calls_up_to(8)
    async with asyncio.timeout(SECONDS):
        async with calls.around(CALL, None):
            async with calls.around(CALL, None):
                draining = asyncio.create_task(calls.drain(LONG_SECONDS))
                await settle()
                assert await refusal(calls) == (Reason.NOT_SERVING, 1)
            await settle()
            assert not draining.done()
        await draining
    assert await refusal(calls) == (Reason.NOT_SERVING, 1)


async def test_a_call_that_fails_has_ended_too() -> None:
    calls = calls_up_to(8)
    with pytest.raises(OSError, match="broken"):
        async with calls.around(CALL, None):
            raise OSError("broken")
    async with asyncio.timeout(SECONDS):
        await calls.drain(LONG_SECONDS)
    assert await refusal(calls) == (Reason.NOT_SERVING, 1)


async def test_a_drain_ends_when_its_time_is_over() -> None:
    calls = calls_up_to(8)
    async with calls.around(CALL, None), asyncio.timeout(SECONDS):
        await calls.drain(0.01)
        assert await refusal(calls) == (Reason.NOT_SERVING, 1)


async def test_health_passes_a_full_and_a_draining_server_and_holds_neither() -> None:
    calls = calls_up_to(1)
    passed = []
    async with calls.around(WATCH, None), asyncio.timeout(SECONDS):
        async with calls.around(CALL, None), calls.around(WATCH, None), calls.around(CHECK, None):
            passed.append("full")
        await calls.drain(LONG_SECONDS)
        async with calls.around(WATCH, None), calls.around(CHECK, None):
            passed.append("draining")
    assert passed == ["full", "draining"]


async def test_streams_left_open_take_only_their_own_places() -> None:
    calls = calls_up_to(1)
    passed = []
    async with AsyncExitStack() as left_open:
        for _ in range(MAXIMUM_IDLE):
            await left_open.enter_async_context(calls.around(WATCH, None))
        assert await refusal(calls, WATCH) == (Reason.QUEUE_FULL, 1)
        async with calls.around(CALL, None), calls.around(CHECK, None):
            passed.append("full of watches")
    async with calls.around(WATCH, None):
        passed.append("left")
    assert passed == ["full of watches", "left"]
