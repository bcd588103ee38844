"""What a service of a running stack measures, read until it is as a test expects it."""

import asyncio
import time

import httpx

from headrace_local.stack import Stack

POLL_SECONDS = 0.004
PATIENCE_SECONDS = 60.0


class Metrics:
    """A service's `/metrics`, of which only what is asked for is rendered; `async with` it."""

    def __init__(self, stack: Stack, service: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"http://{stack.plan.address(f'{service}_metrics')}",
            verify=False,  # loading the usual authorities would hold up the caller's loop
            trust_env=False,
        )

    async def __aenter__(self) -> "Metrics":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def value(self, sample: str) -> float:
        """A sample by its whole name, labels included."""
        name = sample.partition("{")[0]
        answer = await self._client.get("/metrics", params={"name[]": name})
        for line in answer.text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        raise LookupError(f"{answer.url} has no {sample}")

    async def until(self, sample: str, wanted: float) -> float:
        """Wait until the sample has this value; returns when that was seen (`time.monotonic`)."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if await self.value(sample) == wanted:
                    return time.monotonic()
                await asyncio.sleep(POLL_SECONDS)
