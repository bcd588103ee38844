"""The mailbox delivers everything, in order, and what comes together together."""

import asyncio
import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.adapters.mailbox import Mailbox

LONG = 60.0
"""No test waits for it."""


class Delivered:
    """What came, in order."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._news = asyncio.Event()

    def take(self, number: int) -> None:
        self.numbers.append(number)
        self._news.set()

    async def until(self, last: int) -> None:
        async with asyncio.timeout(5):
            while last not in self.numbers:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def delivered() -> Delivered:
    return Delivered()


async def mailbox_after_a_delivery(seconds: float, *, writers: int) -> Mailbox:
    mailbox, done = Mailbox(seconds), asyncio.Event()
    for _ in range(writers):
        mailbox.enter()
    mailbox.post(done.set, at_once=True)
    async with asyncio.timeout(5):
        await done.wait()
    return mailbox


async def test_what_comes_soon_waits_for_one_that_goes_at_once(delivered: Delivered) -> None:
    mailbox = await mailbox_after_a_delivery(LONG, writers=1)
    for number in range(9):
        mailbox.post(partial(delivered.take, number), at_once=False)
    await asyncio.sleep(0)
    assert delivered.numbers == []
    mailbox.post(partial(delivered.take, 9), at_once=True)
    await delivered.until(9)
    assert delivered.numbers == list(range(10))


async def test_the_last_of_the_writers_takes_the_others_with_it(delivered: Delivered) -> None:
    mailbox = await mailbox_after_a_delivery(0, writers=3)
    mailbox.post(partial(delivered.take, 0), at_once=False)
    mailbox.post(partial(delivered.take, 1), at_once=False)
    await asyncio.sleep(0)
    assert delivered.numbers == []
    mailbox.post(partial(delivered.take, 2), at_once=False)
    await delivered.until(2)
    assert delivered.numbers == [0, 1, 2]


async def test_nobody_waits_for_whoever_has_left(delivered: Delivered) -> None:
    mailbox = await mailbox_after_a_delivery(0, writers=2)
    mailbox.leave()
    mailbox.post(partial(delivered.take, 0), at_once=False)
    await delivered.until(0)
    assert delivered.numbers == [0]


async def test_nobody_waits_for_long_for_one_that_is_silent(delivered: Delivered) -> None:
    mailbox = await mailbox_after_a_delivery(0, writers=2)
    for number in (0, 1):
        mailbox.post(partial(delivered.take, number), at_once=False)
        await delivered.until(number)
    assert delivered.numbers == [0, 1]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_each_threads_messages_come_once_and_in_order(urgent: list[bool]) -> None:
    asyncio.run(_expect_all_from_two_threads(urgent))


async def _expect_all_from_two_threads(urgent: list[bool]) -> None:
    mailbox = await mailbox_after_a_delivery(0.0005, writers=3)
    got: dict[str, list[int]] = {"one": [], "other": []}
    ended = asyncio.Semaphore(0)

    def post(name: str) -> None:
        for number, at_once in enumerate(urgent):
            mailbox.post(partial(got[name].append, number), at_once=at_once)
        mailbox.post(ended.release, at_once=False)

    threads = [threading.Thread(target=post, args=(name,)) for name in got]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(5):
        await ended.acquire()
        await ended.acquire()
    for thread in threads:
        thread.join()
    assert got == {"one": list(range(len(urgent))), "other": list(range(len(urgent)))}


def test_a_thread_that_outlives_the_loop_does_no_harm() -> None:
    async def make() -> Mailbox:
        return Mailbox(0)

    mailbox, delivered = asyncio.run(make()), list[int]()
    mailbox.post(partial(delivered.append, 1), at_once=True)
    assert delivered == []
