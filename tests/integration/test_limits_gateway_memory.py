"""Floods of large bodies at a gateway process: most are refused, and its memory stays bounded."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.gateway_under_fire import MEBIBYTE, gateway_process

from headrace_gateway.testing.gateway import KEY

ROOM_MEBIBYTES = 16
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
    async with gateway_process(
        "silent",
        maximum_body_bytes_in_flight=ROOM_MEBIBYTES * MEBIBYTE,
        maximum_prompt_characters=4_000_000,
    ) as gateway:
        before = gateway.resident_mebibytes()
        for _ in range(2):
            async with _flooded(gateway.port) as answers:
                # Of the second flood more, for as long as the first one's callers leave.
                assert set(answers) == {503}
                assert answers.total() >= FLOOD - PLACES
                # Such text takes 1.4 times its bytes; the rest is what connections hold.
                assert gateway.resident_mebibytes() - before < 3 * ROOM_MEBIBYTES
