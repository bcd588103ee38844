"""The metrics endpoint with more connections at once than it takes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
import pytest

from headrace_common.metrics import MAXIMUM_SCRAPES, create_registry, serve_metrics
from headrace_common.runtime import Runtime


@pytest.fixture
async def port() -> AsyncIterator[int]:
    runtime = Runtime(step_seconds=5)
    yield serve_metrics(runtime, create_registry(), "127.0.0.1:0")
    await runtime.close()


async def test_silent_connections_take_a_bounded_number_of_threads(port: int) -> None:
    url = f"http://127.0.0.1:{port}/metrics"
    async with httpx.AsyncClient(timeout=5) as client:
        with ExitStack() as silent:
            for _ in range(MAXIMUM_SCRAPES):
                silent.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(2 * MAXIMUM_SCRAPES):
                answer = await client.get(url)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        async with asyncio.timeout(5):
            while (await client.get(url)).status_code == 503:
                continue  # until the threads have noticed
        assert "process_resident_memory_bytes" in (await client.get(url)).text
