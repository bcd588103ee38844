"""The load on auth, a process of its own: API keys resolved through gRPC again and again."""

import asyncio
import itertools
import sys
from collections.abc import Iterator
from time import perf_counter

import grpc
import uvloop
from pydantic import BaseModel

from benchmarks.load import CONNECT_SECONDS, Outcome, Summary
from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_common.grpc_client import create_channel

CALL_SECONDS = 10.0


class ResolvePlan(BaseModel, frozen=True):
    """So many callers at once, each of which asks again as soon as it is answered."""

    target: str
    keys: tuple[tuple[str, str], ...]
    """Public id and whole key; each call takes the next one."""
    concurrency: int
    seconds: float


class Generator:
    """Carries out one plan."""

    def __init__(self, plan: ResolvePlan, stub: auth_pb2_grpc.AuthServiceStub) -> None:
        self._plan = plan
        self._resolve = stub.ResolveCredential
        self._keys: Iterator[tuple[str, str]] = itertools.cycle(plan.keys)
        self._latencies: list[float] = []
        self._faults: list[str] = []

    async def run(self) -> Outcome:
        """Ask for as long as planned, and wait for the answers."""
        started = perf_counter()
        until = started + self._plan.seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.concurrency):
                group.create_task(self._keep_asking(until))
        return Outcome(
            answered=len(self._latencies),
            errors=len(self._faults),
            first_error=self._faults[0] if self._faults else "",
            seconds=perf_counter() - started,
            latency=Summary.of(self._latencies),
            first_token=Summary.of(()),
        )

    async def _keep_asking(self, until: float) -> None:
        while (asked_at := perf_counter()) < until:
            key_id, key = next(self._keys)
            request = auth_pb2.ResolveCredentialRequest(credential=key)
            try:
                response = await self._resolve(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                self._faults.append(f"{error.code().name}: {error.details()}")
                continue
            if response.principal.credential_id != key_id:
                self._faults.append("another key's principal")
                continue
            self._latencies.append(perf_counter() - asked_at)


async def main() -> None:
    """Read a plan from standard input, and write the outcome to standard output."""
    plan = ResolvePlan.model_validate_json(sys.stdin.read())
    channel = create_channel(plan.target)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await channel.channel_ready()
        outcome = await Generator(plan, auth_pb2_grpc.AuthServiceStub(channel)).run()
    finally:
        await channel.close()
    sys.stdout.write(outcome.model_dump_json())


if __name__ == "__main__":
    uvloop.run(main())
