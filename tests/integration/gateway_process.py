"""A gateway process over memory that never answers a prompt: `python gateway_process.py MEBIBYTES`.

The argument bounds the bodies in flight; the port that it listens on is its first line of output.
"""

import asyncio
import socket
import sys

import uvicorn

from headrace_common.logs import configure_logging
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import CompletionRequest, Events
from headrace_gateway.testing.gateway import running_gateway


class Silence(EchoTarget):
    """Keeps every request for ever."""

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        await asyncio.Event().wait()
        async for event in super().generate(request_id, tenant, request):
            yield event


async def main(body_mebibytes: int) -> None:
    async with running_gateway(
        Silence(),
        maximum_body_bytes_in_flight=body_mebibytes * 1024 * 1024,
        maximum_prompt_characters=4_000_000,
    ) as gateway:
        config = uvicorn.Config(
            gateway.app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)  # noqa: T201
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    configure_logging("gateway", "test", "ERROR")  # nobody reads the output after its first line
    asyncio.run(main(int(sys.argv[1])))
