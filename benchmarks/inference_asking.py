"""Requests to an inference process, and what its load report says of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc

from benchmarks.inference_process import MODEL
from benchmarks.inference_tenants import until_ready
from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.grpc_client import create_channel

SECONDS = 120.0
"""After which an answer, or something that is waited for, is taken for lost."""

PAUSE_SECONDS = 0.003
"""Between two looks at the load."""


class Call(Protocol):
    """A streamed answer, as gRPC reads it."""

    def __aiter__(self) -> AsyncIterator[pb.GenerateResponse]: ...

    async def read(self) -> Any: ...

    def cancel(self) -> bool: ...

    def done(self) -> bool: ...


class Asker:
    """A client of one inference process."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = inference_pb2_grpc.InferenceServiceStub(channel)
        self._numbers = itertools.count()

    def ask(self, text: str, max_tokens: int) -> Call:
        """Begin a greedy answer to a question."""
        request = pb.GenerateRequest(
            request_id=f"benchmark-{next(self._numbers)}",
            model=MODEL,
            organization_id="benchmark",
            chat=pb.ChatInput(messages=[pb.ChatMessage(role="user", content=text)]),
            sampling=pb.SamplingParameters(max_tokens=max_tokens, temperature=0),
        )
        call: Call = self._stub.Generate(request, timeout=SECONDS)
        return call

    async def load(self) -> pb.GetLoadResponse:
        """How busy it is."""
        load: pb.GetLoadResponse = await self._stub.GetLoad(pb.GetLoadRequest(), timeout=SECONDS)
        return load

    async def until(self, reached: Callable[[pb.GetLoadResponse], bool]) -> None:
        """Ask for the load again and again until it is as wanted; the pauses leave the engine the
        cores that it is measured on."""
        async with asyncio.timeout(SECONDS):
            while not reached(await self.load()):  # noqa: ASYNC110 - another process's load
                await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def asking(address: str) -> AsyncIterator[Asker]:
    """A client of the process at an address, which has loaded its model."""
    async with create_channel(address) as channel:
        await until_ready(channel)
        yield Asker(channel)


async def until_event(call: Call, kind: str) -> None:
    """Read until a message of a kind has come."""
    while (message := await call.read()) is not grpc.aio.EOF:
        if message.WhichOneof("event") == kind:
            return
