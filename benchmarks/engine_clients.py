"""Callers of one engine, through gRPC or HTTP, that do as little work as can be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import orjson

from benchmarks.inference_tenants import until_ready
from benchmarks.processes import ContestantError
from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.grpc_client import create_channel

PATIENCE_SECONDS = 900.0
READY_SECONDS = 120.0
POLL_SECONDS = 0.05
DATA = b"data: "
DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: seconds to its first token and to its last, and how many tokens it had."""

    first: float
    last: float
    tokens: int

    @property
    def per_token(self) -> float | None:
        """Seconds between tokens; None for an answer of one."""
        return (self.last - self.first) / (self.tokens - 1) if self.tokens > 1 else None


Ask = Callable[[str, int], Awaitable[Heard]]
"""Has a text continued, greedily, by at most so many tokens; raises ContestantError."""


@asynccontextmanager
async def grpc_client(port: int, model: str) -> AsyncIterator[Ask]:
    """Once the service is ready."""
    async with create_channel(f"127.0.0.1:{port}") as channel:
        await until_ready(channel)
        stub = inference_pb2_grpc.InferenceServiceStub(channel)

        async def ask(prompt: str, max_tokens: int) -> Heard:
            request = pb.GenerateRequest(
                request_id="benchmark",
                model=model,
                organization_id="benchmark",
                prompt=prompt,
                sampling=pb.SamplingParameters(max_tokens=max_tokens, temperature=0),
            )
            began, first = perf_counter(), 0.0
            async for message in stub.Generate(request, timeout=PATIENCE_SECONDS):
                if not first and message.HasField("delta"):
                    first = perf_counter() - began
                elif message.HasField("finished"):
                    last = perf_counter() - began
                    return Heard(first or last, last, message.finished.completion_tokens)
            raise ContestantError("the answer did not end")

        yield ask


@asynccontextmanager
async def http_client(port: int, model: str) -> AsyncIterator[Ask]:
    """Once an OpenAI-compatible server answers; one connection for each answer."""

    async def ask(prompt: str, max_tokens: int) -> Heard:
        body = {
            "model": model,
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _stream(port, orjson.dumps(body))

    await _until_it_answers(ask)
    yield ask


async def _stream(port: int, content: bytes) -> Heard:
    began, first, last, tokens = perf_counter(), 0.0, 0.0, 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    try:
        writer.write(head.encode() + content)
        async for line in reader:
            if not line.startswith(DATA) or line.startswith(DATA + DONE):
                continue
            chunk = orjson.loads(line.removeprefix(DATA))
            if any(choice["text"] for choice in chunk["choices"]):
                last = perf_counter() - began
                first = first or last
            if usage := chunk.get("usage"):
                tokens = usage["completion_tokens"]
    finally:
        writer.close()
    if not tokens:
        raise ContestantError("the answer tells no usage")
    return Heard(first, last, tokens)


async def _until_it_answers(ask: Ask) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                await ask("Hello", 1)
            except (OSError, ContestantError):  # it loads its model
                await asyncio.sleep(POLL_SECONDS)
            else:
                return
