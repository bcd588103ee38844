"""llama.cpp's listener: one that hangs is found out, one that fails once is not given up."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from headrace_inference.adapters.llamacpp.http import LlamaCppHttp

MODELS = b'{"data": [{"meta": {"n_vocab": 7}}]}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(MODELS) + MODELS
)
FAILURE = b"HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def listener(*answers: bytes) -> AsyncIterator[LlamaCppHttp]:
    """A client of one that gives these answers, one per connection, and then hangs."""
    left = list(answers)
    closing = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if left:
            writer.write(left.pop(0))
        else:
            await closing.wait()
        writer.close()

    # Not pytest's own folder, whose path may be too long for a socket's.
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "llama.sock")
        async with await asyncio.start_unix_server(handle, path):
            http = LlamaCppHttp(path)
            yield http
            closing.set()
            async with asyncio.timeout(5):
                await http.close()


async def test_a_listener_that_answers_lives_even_if_it_failed_before() -> None:
    async with listener(FAILURE, ANSWER) as http:
        assert await http.answers(seconds=5)


async def test_a_listener_that_hangs_is_found_out_in_time() -> None:
    async with listener() as http, asyncio.timeout(2):
        assert not await http.answers(seconds=0.1)


async def test_a_listener_that_goes_mute_is_noticed() -> None:
    async with listener(ANSWER) as http, asyncio.timeout(2):
        await http.vocabulary_size()
        await http.until_mute(0.1)
        assert not await http.answers(seconds=0.1)


async def test_a_listener_that_is_busy_with_others_lives() -> None:
    async with listener(*[ANSWER] * 50) as http, asyncio.timeout(10):
        others = [asyncio.create_task(http.vocabulary_size()) for _ in range(40)]
        assert await http.answers(seconds=5)
        assert await asyncio.gather(*others) == [7] * 40


async def test_a_chunk_is_read_where_and_as_its_completion_says_and_nothing_is_written() -> None:
    asked: list[tuple[bytes, dict[str, object]]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        ]
        asked.append((head.split(b" ")[1], json.loads(await reader.readexactly(length))))
        body = b'{"id_slot": 3}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    where = {"id_slot": 3, "cache_prompt": True, "lora": [{"id": 0, "scale": 1.0}]}
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "llama.sock")
        async with await asyncio.start_unix_server(handle, path), asyncio.timeout(5):
            http = LlamaCppHttp(path)
            assert await http.read((1, 2), {**where, "max_tokens": 9, "stream": True}) == 3
            await http.close()
    wanted = {**where, "prompt": [1, 2], "n_predict": 0, "response_fields": ["id_slot"]}
    assert asked == [(b"/completion", wanted)]
