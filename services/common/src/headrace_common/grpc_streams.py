"""Reads the messages of a streaming call, those that are ready together in one batch."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc

MAXIMUM_READY = 64
"""Messages that may wait for a slow reader before the server is held back."""


async def read_batches(
    call: Any, *, stall_seconds: float | None = None, stall_after: int = 0
) -> AsyncGenerator[list[Any], None]:
    """All messages in order; raises what the call ends with. Leaving the generator cancels it.

    Once `stall_after` messages have come, `stall_seconds` without another one raise TimeoutError.

    A task of its own reads, since a read that is cancelled while it waits leaks its memory inside
    grpcio (1.85, grpc/grpc#43360): 600 bytes at every hang-up. The task ends with the call.
    """
    ready: asyncio.Queue[Any] = asyncio.Queue(MAXIMUM_READY)
    come = 0
    reader = asyncio.create_task(_read(call, ready))
    reader.add_done_callback(_look_at_error)
    try:
        while True:
            bound = stall_seconds if come >= stall_after else None
            batch = [await _next(ready, bound)]
            while not ready.empty():
                batch.append(ready.get_nowait())
            come += len(batch)
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


async def _next(ready: asyncio.Queue[Any], seconds: float | None) -> Any:
    if seconds is None or not ready.empty():  # a timer costs more than the rest
        return await ready.get()
    async with asyncio.timeout(seconds):
        return await ready.get()


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
