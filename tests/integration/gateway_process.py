"""A gateway process over memory: `python gateway_process.py ENGINE SETTINGS`, the latter in JSON.

The engine `silent` never answers, `endless` never ends and prints a line whenever it is stopped,
`echo` echoes. The port that the gateway listens on is the first line of output.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import uvloop

from headrace_common.logs import configure_logging
from headrace_common.runtime import Runtime
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    ModelVersion,
    Started,
)
from headrace_gateway.http.connection import ConnectionBounds
from headrace_gateway.http.server import serve_http
from headrace_gateway.testing.gateway import running_gateway

WORDS = "word " * 2000


class Silence(EchoTarget):
    """Keeps every request for ever."""

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        await asyncio.Event().wait()
        async for event in super().generate(request_id, tenant, request):
            yield event


class Endless(EchoTarget):
    """Answers as fast as it is read, and for ever."""

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        try:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
            while True:
                yield Delta(0, WORDS, tokens=2000)
                await asyncio.sleep(0)
        finally:
            print("stopped", flush=True)  # noqa: T201


ENGINES = MappingProxyType({"silent": Silence, "endless": Endless, "echo": EchoTarget})


async def main(engine: str, settings: Mapping[str, Any]) -> None:
    others = dict(settings)
    head_seconds = others.pop("head_timeout_seconds", 10.0)
    write_seconds = settings.get("write_timeout_seconds", 30.0)
    async with running_gateway(ENGINES[engine](), **others) as gateway:
        port = await serve_http(
            Runtime(step_seconds=5),
            gateway.app,
            "127.0.0.1:0",
            gateway.readiness,
            trusted_proxies="127.0.0.1",
            drain_seconds=1,
            write_seconds=write_seconds,
            connections=ConnectionBounds(4096, 128, 64 * 1024, head_seconds),
        )
        print(port, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging("gateway", "test", "CRITICAL")  # what it prints is read
    uvloop.run(main(sys.argv[1], json.loads(sys.argv[2])))
