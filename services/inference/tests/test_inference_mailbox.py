"""The mailbox delivers everything, in order, and what comes together together."""

import asyncio
import threading
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.adapters.mailbox import Mailbox

LONG = 60.0
"""No test waits for it."""


class Delivered:
    """What came, and when the last of it did."""

    def __init__(self, last: int) -> None:
        self.numbers: list[int] = []
        self.done = asyncio.Event()
        self._last = last

    def take(self, number: int) -> None:
        self.numbers.append(number)
        if number == self._last:
            self.done.set()


async def test_what_comes_within_the_time_waits_for_one_that_goes_at_once() -> None:
    mailbox, delivered = Mailbox(LONG), Delivered(last=9)
    for number in range(9):
        mailbox.post(partial(delivered.take, number), at_once=False)
    await asyncio.sleep(0)
    assert delivered.numbers == []
    mailbox.post(partial(delivered.take, 9), at_once=True)
    async with asyncio.timeout(5):
        await delivered.done.wait()
    assert delivered.numbers == list(range(10))


async def test_when_the_time_is_over_all_goes_out() -> None:
    mailbox, delivered = Mailbox(0.001), Delivered(last=2)
    for number in range(3):
        mailbox.post(partial(delivered.take, number), at_once=False)
    async with asyncio.timeout(5):
        await delivered.done.wait()
    assert delivered.numbers == [0, 1, 2]


async def test_what_comes_while_others_are_delivered_is_delivered_too() -> None:
    mailbox, delivered = Mailbox(0.001), Delivered(last=1)

    def post_another() -> None:
        mailbox.post(partial(delivered.take, 1), at_once=False)

    mailbox.post(post_another, at_once=False)
    async with asyncio.timeout(5):
        await delivered.done.wait()
    assert delivered.numbers == [1]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_each_threads_messages_come_once_and_in_order(urgent: list[bool]) -> None:
    asyncio.run(_expect_all_from_two_threads(urgent))


async def _expect_all_from_two_threads(urgent: list[bool]) -> None:
    mailbox = Mailbox(0.0005)
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
