"""A gateway before a real auth, both over memory, on a port: `python -m tests.api.served_world`.

Its first line of output is JSON: its URL, and an owner's API key and access token.
"""

import asyncio
import json

from tests.security.world import running_world

from headrace_auth.testing.directory import OWNER
from headrace_common.logs import configure_logging
from headrace_common.runtime import Runtime
from headrace_gateway.http.front_door import Readiness
from headrace_gateway.http.server import serve_http
from headrace_gateway.testing.gateway import CONNECTIONS


async def main() -> None:
    async with running_world() as world:
        port = await serve_http(
            Runtime(step_seconds=5),
            world.app,
            "127.0.0.1:0",
            Readiness({}),
            trusted_proxies="",
            drain_seconds=1,
            write_seconds=30,
            connections=CONNECTIONS,
        )
        token = await world.token(OWNER.email)
        scopes = ["llm:invoke", "models:read"]
        made = await world.ask(token, "POST", "/api/v1/keys", json={"name": "x", "scopes": scopes})
        told = {"url": f"http://127.0.0.1:{port}", "token": token, "key": made.json()["secret"]}
        print(json.dumps(told), flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging("gateway", "test", "ERROR")
    asyncio.run(main())
