"""The metrics endpoint: served from the start, gone after the stop."""

import asyncio
import urllib.error
import urllib.request

import pytest
from prometheus_client import Counter

from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.runtime import Runtime


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


async def test_metrics_are_served_until_the_process_stops() -> None:
    runtime, registry = Runtime(step_seconds=5), create_registry()
    Counter("things_made", "Things.", registry=registry)
    url = f"http://127.0.0.1:{serve_metrics(runtime, registry, '127.0.0.1:0')}/metrics"
    text = await asyncio.to_thread(_get, url)
    assert "things_made_total 0.0" in text
    assert "process_resident_memory_bytes" in text
    await runtime.close()
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(_get, url)
