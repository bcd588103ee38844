"""Tenants that send requests at random, and what each of them saw."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.inference_process import MODEL, START_SECONDS
from benchmarks.processes import ContestantError
from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc

QUESTION = pb.ChatInput(messages=[pb.ChatMessage(role="user", content="Say something about rain.")])
MAX_TOKENS = 8
PATIENCE_SECONDS = 120.0
LIKELY_TOKENS = 40
"""Of a request that was refused: what the others of its kind take, prompt and answer."""


@dataclass(slots=True)
class Seen:
    """What one tenant saw. Times are seconds from asking to the first token."""

    sent: int = 0
    refused: int = 0
    tokens: int = 0
    """Prompt and answer, of those that were answered."""
    first_tokens: list[float] = field(default_factory=list)

    @property
    def demand(self) -> float:
        """Tokens that would have been served, had all requests been answered."""
        answered = self.sent - self.refused
        each = self.tokens / answered if answered else LIKELY_TOKENS
        return each * self.sent


async def until_ready(channel: grpc.aio.Channel) -> None:
    """Wait until the model is loaded."""
    watch = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(), timeout=START_SECONDS
    )
    async for response in watch:
        if response.status == health_pb2.HealthCheckResponse.SERVING:
            watch.cancel()
            return
    raise ContestantError("inference is not ready")


async def ask(stub: inference_pb2_grpc.InferenceServiceStub, tenant: str, seen: Seen) -> None:
    """One request, greedy, and what came of it; raises AioRpcError unless the queue was full."""
    request = pb.GenerateRequest(
        request_id=f"{tenant}-{seen.sent}",
        model=MODEL,
        organization_id=tenant,
        chat=QUESTION,
        sampling=pb.SamplingParameters(max_tokens=MAX_TOKENS, temperature=0),
    )
    seen.sent += 1
    began, first = time.monotonic(), None
    try:
        async for message in stub.Generate(request, timeout=PATIENCE_SECONDS):
            kind = message.WhichOneof("event")
            if kind == "delta" and first is None:
                first = time.monotonic() - began
                seen.first_tokens.append(first)
            elif kind == "finished":
                seen.tokens += message.finished.prompt_tokens + message.finished.completion_tokens
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        seen.refused += 1


async def offer(
    stub: inference_pb2_grpc.InferenceServiceStub, rates: Sequence[float], seconds: float
) -> list[Seen]:
    """Each tenant sends `rates` requests a second at random (Poisson) for so long."""
    seen = [Seen() for _ in rates]
    async with asyncio.TaskGroup() as group:
        for number, rate in enumerate(rates):
            group.create_task(_send(stub, f"tenant-{number}", rate, seconds, seen[number]))
    return seen


async def capacity(stub: inference_pb2_grpc.InferenceServiceStub, seconds: float) -> float:
    """Requests a second that it answers when 16 are always under way."""
    seen = Seen()
    until = time.monotonic() + seconds

    async def keep_asking() -> None:
        while time.monotonic() < until:
            await ask(stub, "warm-up", seen)

    began = time.monotonic()
    await asyncio.gather(*(keep_asking() for _ in range(16)))
    return seen.sent / (time.monotonic() - began)


async def _send(
    stub: inference_pb2_grpc.InferenceServiceStub,
    tenant: str,
    rate: float,
    seconds: float,
    seen: Seen,
) -> None:
    draw = random.Random(tenant)  # noqa: S311 - the same arrivals in each run
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as asking:
        while True:
            await asyncio.sleep(draw.expovariate(rate))
            if time.monotonic() > until:
                return
            asking.create_task(ask(stub, tenant, seen))
