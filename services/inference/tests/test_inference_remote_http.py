"""What a remote may do to a connection: split, ping, refuse, redirect, flood, stall, break off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_inference.adapters.openai_remote.http import DRAIN_SECONDS, RemoteHttp
from headrace_inference.adapters.openai_remote.options import RemoteOptions

Pieces = tuple[bytes, ...]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
KEY = "sk-canary"


@asynccontextmanager
async def remote(
    *pieces: bytes, ends: bool = True, stall_seconds: float = 5.0, trickles: bytes = b""
) -> AsyncIterator[tuple[RemoteHttp, str, list[bytes]]]:
    """A client, the address of a server that says these pieces to each request, and what it was
    asked. One that `trickles` then says that again and again."""
    asked: list[bytes] = []
    hold = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            while trickles and not hold.is_set():
                writer.write(trickles)
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await hold.wait()
            if not ends:
                await hold.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    options = RemoteOptions(
        url, "m", 2, 64, features=frozenset(), api_key=KEY, stall_seconds=stall_seconds
    )
    http = RemoteHttp(options, FakeClock())
    try:
        yield http, url, asked
    finally:
        hold.set()
        await http.close()
        server.close()
        await server.wait_closed()


async def heard(http: RemoteHttp, url: str) -> list[str]:
    async with http.stream(url, {"a": 1}) as data:
        return [event async for event in data]


async def failure(*pieces: bytes, ends: bool = True, stall_seconds: float = 5.0) -> HeadraceError:
    async with remote(*pieces, ends=ends, stall_seconds=stall_seconds) as (http, url, _):
        with pytest.raises(HeadraceError) as caught:
            await heard(http, url)
    return caught.value


def cut(whole: bytes, places: list[int]) -> Pieces:
    edges = sorted({0, len(whole), *(place % len(whole) for place in places)})
    return tuple(whole[a:b] for a, b in pairwise(edges))


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=5),
    newline=st.sampled_from(["\n", "\r\n"]),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_events_come_whole_wherever_their_bytes_are_split(
    texts: list[str], newline: str, places: list[int]
) -> None:
    data = [json.dumps(text, ensure_ascii=False) for text in texts]
    lines = [f"data: {line}{newline}: ping{newline}{newline}" for line in [*data, "[DONE]", "x"]]

    async def run() -> list[str]:
        async with remote(STREAM, *cut("".join(lines).encode(), places)) as (http, url, _):
            return await heard(http, url)

    assert asyncio.run(run()) == data


async def test_the_key_and_the_body_go_to_the_remote_and_nothing_is_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with remote(moved) as (http, url, asked):
        with pytest.raises(HeadraceError, match="answers 302") as caught:
            await heard(http, url)
        assert await http.status(url) == 302
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert b"Bearer sk-canary" in asked[0]
    assert len(asked) == 2


async def test_a_remote_that_quotes_the_key_gives_nothing_away() -> None:
    body = json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()
    error = await failure(b"HTTP/1.1 400 Bad Request\r\n\r\n" + body)
    assert error.message.endswith("bad key [key]")


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((JSON, b"{}"), "does not stream"),
        ((STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"),), "compresses"),
        ((STREAM, b"data: " + b"x" * 2_000_000), "broke off"),
        ((STREAM.replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n"), b"data: 1"), "broke off"),
    ],
)
async def test_what_is_no_stream_of_events_fails(pieces: Pieces, message: str) -> None:
    error = await failure(*pieces)
    assert error.reason is Reason.ENGINE_FAILED
    assert message in error.message


async def test_silence_is_waited_for_only_so_long() -> None:
    within = await failure(STREAM, b"data: 1\n\n", ends=False, stall_seconds=0.05)
    assert (within.reason, within.message) == (Reason.ENGINE_FAILED, "the remote stalled")
    before = await failure(ends=False, stall_seconds=0.05)
    assert before.reason is Reason.NOT_SERVING


async def test_a_remote_that_hangs_up_without_a_word_is_tried_once_more() -> None:
    async with remote() as (http, url, asked):
        with pytest.raises(HeadraceError) as caught:
            await heard(http, url)
    assert caught.value.reason is Reason.NOT_SERVING
    assert len(asked) == 2


async def test_after_the_end_a_remote_that_does_not_hang_up_is_left() -> None:
    async with remote(STREAM, b"data: 1\n\ndata: [DONE]\n\n", ends=False) as (http, url, _):
        async with asyncio.timeout(DRAIN_SECONDS + 2):
            assert await heard(http, url) == ["1"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (JSON + b"{", "no JSON"),
        (JSON + b"[" * 100_000, "no JSON"),
        (JSON.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n") + b"{", "broke off"),
    ],
)
async def test_answers_to_calls_are_read_with_care(answer: bytes, message: str) -> None:
    async with remote(answer) as (http, url, _):
        for call in (http.get(url), http.post(url, {})):
            with pytest.raises(HeadraceError, match=message):
                await call


async def test_an_answer_of_any_size_is_not_held() -> None:
    async with remote(JSON, *(b" " * 1_000_000,) * 70) as (http, url, _):
        with pytest.raises(HeadraceError, match="too much"):
            await http.get(url)


async def test_a_remote_that_trickles_is_waited_for_only_so_long() -> None:
    async with remote(JSON, stall_seconds=0.3, trickles=b" ") as (http, url, _):
        with pytest.raises(HeadraceError, match="stalled"):
            await http.post_from_slot(url, {})
