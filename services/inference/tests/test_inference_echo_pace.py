"""The echo engine as slow, as faulty and as silent as it is told to be."""

import asyncio

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.echo_pace import Pace

SECONDS = 0.25


class Slept:
    """A sleep that takes no time and notes how long it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_each_token_takes_its_time() -> None:
    slept = Slept()
    pace = Pace(SECONDS, sleep=slept)
    for _ in range(3):
        await pace()
    assert slept.seconds == [SECONDS] * 3


async def test_each_so_many_tokens_one_fails() -> None:
    pace = Pace(0, failing_every=3)
    for _ in range(2):
        await pace()
        await pace()
        with pytest.raises(HeadraceError) as caught:
            await pace()
        assert caught.value.reason is Reason.ENGINE_FAILED


async def test_each_so_many_tokens_one_never_comes() -> None:
    pace = Pace(0, stalling_every=2)
    await pace()
    silent = asyncio.create_task(pace())
    done, _ = await asyncio.wait([silent], timeout=0.02)
    assert not done
    silent.cancel()
    await pace()
