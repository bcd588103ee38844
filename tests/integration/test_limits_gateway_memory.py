"""Floods of large bodies at a gateway process: most are refused, and its memory stays bounded."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from headrace_gateway.testing.gateway import KEY

MEBIBYTE = 1024 * 1024
ROOM_MEBIBYTES = 16
PROCESS = Path(__file__).with_name("gateway_process.py")
BODY = json.dumps(
    {"model": "echo", "messages": [{"role": "user", "content": "seven w" * 280_000}]}
).encode()
PLACES = ROOM_MEBIBYTES * MEBIBYTE // len(BODY)
FLOOD = 10 * PLACES
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
    f"authorization: Bearer {KEY}\r\ncontent-length: {len(BODY)}\r\n\r\n"
).encode()


class Caller:
    """One connection with one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def status(self) -> int:
        """Of the answer, for which it waits for ever."""
        self.writer.write(HEAD + BODY)
        return int((await self._reader.readline()).split()[1])


@asynccontextmanager
async def _running_gateway() -> AsyncIterator[tuple[int, Process]]:
    """A gateway process, and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROCESS, str(ROOM_MEBIBYTES), stdout=PIPE, stderr=DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield port, process
    finally:
        process.kill()
        await process.communicate()


@asynccontextmanager
async def _flooded(port: int) -> AsyncIterator[Counter[int]]:
    """What callers were answered at once, while the others wait; at the end all have left."""
    callers = [Caller(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(FLOOD)]
    calls = {asyncio.create_task(caller.status()) for caller in callers}
    answered: set[asyncio.Task[int]] = set()
    try:
        async with asyncio.timeout(30):
            while len(answered) < FLOOD - PLACES:
                done, calls = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                answered |= done
        yield Counter(call.result() for call in answered)
    finally:
        for caller in callers:
            caller.writer.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_bodies_of_two_mebibytes_take_no_more_than_the_bound() -> None:
    async with _running_gateway() as (port, process):
        resident = psutil.Process(process.pid).memory_info
        before = resident().rss
        for _ in range(2):
            async with _flooded(port) as answers:
                # Of the second flood more, for as long as the first one's callers leave.
                assert set(answers) == {503}
                assert answers.total() >= FLOOD - PLACES
                # Such text takes 1.4 times its bytes; the rest is what connections hold.
                assert resident().rss - before < 3 * ROOM_MEBIBYTES * MEBIBYTE
