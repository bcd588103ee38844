"""A gateway that must stop: what fits in the grace period ends well, the rest with an error."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from headrace_common.runtime import Runtime
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.http.server import serve_http
from headrace_gateway.testing.gateway import CONNECTIONS, KEY, Gateway, running_gateway

BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "stream": True}
MODEL = ModelVersion("echo", "v1")


class Pausing(EchoTarget):
    """Says one word, and the last one when it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.pausing = asyncio.Event()
        self.go_on = asyncio.Event()

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        yield Started(MODEL, queue_seconds=0.0, prompt_tokens=7)
        yield Delta(0, "first", tokens=1)
        self.pausing.set()
        await self.go_on.wait()
        yield Delta(0, " last", tokens=1)
        yield Finished(MODEL, ("stop",), prompt_tokens=7, completion_tokens=2)


@asynccontextmanager
async def served(gateway: Gateway, drain_seconds: float) -> AsyncIterator[tuple[Runtime, str]]:
    """The gateway's application on a port of its own, and what stops it."""
    runtime = Runtime(step_seconds=drain_seconds + 5)
    port = await serve_http(
        runtime,
        gateway.app,
        "127.0.0.1:0",
        gateway.readiness,
        trusted_proxies="",
        write_seconds=30,
        connections=CONNECTIONS,
        drain_seconds=drain_seconds,
    )
    try:
        yield runtime, f"http://127.0.0.1:{port}"
    finally:
        await runtime.close()
    assert not runtime.failed


async def ask(url: str, stream: bool) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        return await client.post("/v1/chat/completions", json=BODY | {"stream": stream})


async def test_what_fits_in_the_grace_period_ends_well() -> None:
    target = Pausing()
    async with asyncio.timeout(10), running_gateway(target) as gateway:
        async with served(gateway, drain_seconds=5) as (runtime, url):
            asking = asyncio.create_task(ask(url, stream=True))
            await target.pausing.wait()
            asyncio.get_running_loop().call_later(0.3, target.go_on.set)
            await runtime.close()
            answer = await asking
        assert answer.text.endswith("data: [DONE]\n\n")
        assert gateway.events.exchanges[0].outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("stream", [True, False])
async def test_what_does_not_fit_ends_with_an_error_and_is_recorded_as_failed(stream: bool) -> None:
    target = Pausing()
    async with asyncio.timeout(10), running_gateway(target) as gateway:
        async with served(gateway, drain_seconds=0.2) as (runtime, url):
            asking = asyncio.create_task(ask(url, stream))
            await target.pausing.wait()
            await runtime.close()
            answer = await asking
        assert answer.status_code == (200 if stream else 503)
        assert "[DONE]" not in answer.text
        last = answer.text.strip().split("\n\n")[-1].removeprefix("data: ")
        error = json.loads(last)["error"]
        assert (error["code"], error["type"]) == ("not_serving", "server_error")
        assert error["request_id"] == answer.headers["x-request-id"]
        assert stream or int(answer.headers["retry-after"]) >= 1
        [exchange] = gateway.events.exchanges
        assert exchange.outcome is Outcome.FAILED
        assert (exchange.prompt_tokens, exchange.completion_tokens) == (7, 1)
