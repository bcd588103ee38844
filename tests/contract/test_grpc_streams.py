"""Streaming calls read in batches: order, errors, leaving, and a reader that is slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest

from headrace.inference.v1 import inference_pb2, inference_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_server import Registration
from headrace_common.grpc_streams import MAXIMUM_READY, read_batches
from headrace_common.testing.grpc import serving

TEXT = "x" * 10_000


class Counting(inference_pb2_grpc.InferenceServiceServicer):
    """Sends numbered messages, then fails or stalls if told to."""

    def __init__(self, messages: int, *, fails: bool = False, stalls: bool = False) -> None:
        self.messages = messages
        self.fails = fails
        self.stalls = stalls
        self.sent = 0
        self.stalled = asyncio.Event()
        self.ended = asyncio.Event()

    async def Generate(
        self, request: inference_pb2.GenerateRequest, context: Any
    ) -> AsyncIterator[inference_pb2.GenerateResponse]:
        try:
            for number in range(self.messages):
                yield inference_pb2.GenerateResponse(
                    delta=inference_pb2.Delta(text=TEXT, tokens=number)
                )
                self.sent += 1
            if self.stalls:
                self.stalled.set()
                await asyncio.Event().wait()
            if self.fails:
                raise HeadraceError(Reason.ENGINE_FAILED, "it broke")
        finally:
            self.ended.set()


@asynccontextmanager
async def calling(servicer: Counting) -> AsyncIterator[Any]:
    registration = Registration(
        "headrace.inference.v1.InferenceService",
        inference_pb2_grpc.add_InferenceServiceServicer_to_server,
        servicer,
    )
    async with serving([registration]) as channel, asyncio.timeout(20):
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        yield stub.Generate(inference_pb2.GenerateRequest(), timeout=20)


async def numbers(call: Any) -> list[int]:
    return [message.delta.tokens async for batch in read_batches(call) for message in batch]


@pytest.mark.parametrize("count", [0, 1, MAXIMUM_READY, 5 * MAXIMUM_READY])
async def test_every_message_arrives_in_order(count: int) -> None:
    async with calling(Counting(count)) as call:
        assert await numbers(call) == list(range(count))


async def test_what_was_ready_arrives_before_the_error() -> None:
    got: list[int] = []

    async def collect(call: Any) -> None:
        async for batch in read_batches(call):
            got.extend(message.delta.tokens for message in batch)

    async with calling(Counting(3, fails=True)) as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(call)
    assert got == [0, 1, 2]
    assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_leaving_stops_the_server() -> None:
    servicer = Counting(10**6)
    async with calling(servicer) as call:
        async with aclosing(read_batches(call)) as batches:
            await anext(batches)
        await servicer.ended.wait()
    assert servicer.sent < 10**6


async def test_a_reader_that_is_cancelled_while_it_waits_stops_the_server() -> None:
    servicer = Counting(1, stalls=True)
    async with calling(servicer) as call:
        reading = asyncio.create_task(numbers(call))
        await servicer.stalled.wait()
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        await servicer.ended.wait()


async def test_a_slow_reader_holds_the_server_back() -> None:
    servicer = Counting(10**6)
    async with calling(servicer) as call, aclosing(read_batches(call)) as batches:
        await anext(batches)
        sent = -1
        while sent != servicer.sent:  # until nothing moves any more
            sent = servicer.sent
            await asyncio.sleep(0.2)
        assert sent < 10 * MAXIMUM_READY
