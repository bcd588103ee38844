"""The openai engine before a Headrace gateway: one platform's model is served by another's."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from headrace_common.clock import SystemClock
from headrace_common.testing.proxy import Streams, proxying
from headrace_gateway.testing.gateway import KEY, running_gateway
from headrace_inference.adapters.openai_remote.engine import OpenAiRemoteEngine
from headrace_inference.adapters.openai_remote.options import RemoteOptions
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.events import FinishReason
from headrace_inference.testing import collect, question


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[int]:
    """The port at which the application answers over HTTP."""
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            async with asyncio.timeout(15):
                await serving


@asynccontextmanager
async def engine_before_a_gateway() -> AsyncIterator[tuple[OpenAiRemoteEngine, list[Streams]]]:
    """Started, with the connections that it opens."""
    opened: list[Streams] = []
    async with running_gateway() as gateway, listening(gateway.app) as port:

        async def connect() -> Streams:
            streams = await asyncio.open_connection("127.0.0.1", port)
            opened.append(streams)
            return streams

        async with proxying(connect) as proxy:
            options = RemoteOptions(
                f"http://127.0.0.1:{proxy.port}/v1",
                "echo",
                slots=2,
                context_tokens=64,
                features=frozenset({Feature.CHAT}),
                api_key=KEY,
                start_seconds=15,
            )
            engine = OpenAiRemoteEngine(options, SystemClock())
            try:
                await engine.start()
                yield engine, opened
            finally:
                await engine.close()


async def test_a_gateway_is_a_remote_like_any_other() -> None:
    async with engine_before_a_gateway() as (engine, _):
        await engine.health()
        got = await collect(engine, question("one two three", max_tokens=8))
    assert got.texts == {0: "one two three"}
    assert got.finished[0].reason is FinishReason.STOP


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with engine_before_a_gateway() as (engine, opened):
        at_first = len(opened)
        for text in ("one", "two", "three", "four"):
            assert (await collect(engine, question(text, max_tokens=8))).texts == {0: text}
        assert len(opened) == at_first
