"""Reads the messages of a streaming call, those that are ready together in one batch."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc

MAXIMUM_READY = 64
"""Messages that may wait for a slow reader before the server is held back."""


async def read_batches(call: Any) -> AsyncGenerator[list[Any], None]:
    """All messages in order; raises what the call ends with. Leaving the generator cancels it.

    A task of its own reads, since a read that is cancelled while it waits leaks its memory inside
    grpcio (1.85, grpc/grpc#43360): 600 bytes at every hang-up. The task ends with the call.
    """
    ready: asyncio.Queue[Any] = asyncio.Queue(MAXIMUM_READY)
    reader = asyncio.create_task(_read(call, ready))
    reader.add_done_callback(_look_at_error)
    try:
        while True:
            batch = [await ready.get()]
            while not ready.empty():
                batch.append(ready.get_nowait())
            ended = batch[-1] is grpc.aio.EOF
            if messages := batch[: len(batch) - ended]:
                yield messages
            if ended:
                break
        await reader
    finally:
        call.cancel()
        while not ready.empty():  # the task may be waiting for room
            ready.get_nowait()


async def _read(call: Any, ready: asyncio.Queue[Any]) -> None:
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            await ready.put(message)
    finally:
        await ready.put(grpc.aio.EOF)


def _look_at_error(reader: asyncio.Task[None]) -> None:
    """Who left the generator does not wait for the error; asyncio would complain about that."""
    if not reader.cancelled():
        reader.exception()
