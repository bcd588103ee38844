"""What a service of the running stack counts, read until it is as a test expects it."""

import asyncio
import time

import httpx

POLL_SECONDS = 0.004
PATIENCE_SECONDS = 60.0


class Gauges:
    """The `/metrics` at an address, of which only what is asked for is rendered."""

    def __init__(self, client: httpx.AsyncClient, address: str) -> None:
        self._client = client
        self._url = f"http://{address}/metrics"

    async def value(self, sample: str) -> float:
        """A sample by its whole name, labels included."""
        name = sample.partition("{")[0]
        answer = await self._client.get(self._url, params={"name[]": name})
        for line in answer.text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        raise LookupError(f"{self._url} has no {sample}")

    async def until(self, sample: str, wanted: float) -> float:
        """Wait until the sample has this value; returns when that was seen (`time.monotonic`)."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if await self.value(sample) == wanted:
                    return time.monotonic()
                await asyncio.sleep(POLL_SECONDS)
