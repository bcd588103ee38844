"""The HTTP server's own bounds on a connection."""

import asyncio

from starlette.types import Receive, Scope, Send

from headrace_common.runtime import Runtime
from headrace_gateway.http.front_door import Readiness
from headrace_gateway.http.server import serve_http
from headrace_gateway.testing.gateway import CONNECTIONS

CHUNK = {"type": "http.response.body", "body": bytes(1024 * 1024), "more_body": True}


class Endless:
    """An application that answers for ever, until its client is gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        writing = asyncio.create_task(self._write(send))
        while (await receive())["type"] != "http.disconnect":
            continue
        writing.cancel()
        self.gone.set()

    async def _write(self, send: Send) -> None:
        while True:
            await send(CHUNK)


async def test_a_client_that_stops_reading_loses_its_connection() -> None:
    app, runtime = Endless(), Runtime(step_seconds=5)
    port = await serve_http(
        runtime,
        app,
        "127.0.0.1:0",
        Readiness({}),
        trusted_proxies="127.0.0.1",
        drain_seconds=1,
        write_seconds=0.5,
        connections=CONNECTIONS,
    )
    try:
        async with asyncio.timeout(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n")
            assert await app.gone.wait()
            writer.close()
    finally:
        await runtime.close()
