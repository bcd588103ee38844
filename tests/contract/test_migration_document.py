"""What docs/migration.md prints works as it stands, against a real gateway before a real auth."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from tests.security.world import World, running_world

from headrace_auth.testing.directory import OWNER
from headrace_common.testing.grpc import serving
from headrace_gateway.testing.gateway import KEY, running_gateway
from headrace_local.checks import free_port

DOCUMENT = Path(__file__).parents[2] / "docs" / "migration.md"
SECONDS = 60
INTERPRETERS = {"python": (sys.executable, "-c"), "sh": ("bash", "-ec")}
Environment = dict[str, str]


def _snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)


@pytest.fixture
async def environment() -> AsyncIterator[Environment]:
    """Of a shell in which somebody tries the document."""
    async with running_world() as world:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(world.app, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield await _environment(world, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


async def _environment(world: World, port: int) -> Environment:
    token = await world.token(OWNER.email)
    made = await world.ask(token, "POST", "/api/v1/keys", json={"name": "application"})
    ours = {
        "HEADRACE_URL": f"http://127.0.0.1:{port}",
        "HEADRACE_KEY": made.json()["secret"],
        "HEADRACE_TOKEN": token,
        "HEADRACE_MODEL": "echo",
        "NO_PROXY": "127.0.0.1",
    }
    return {**os.environ, **ours}


async def _run(language: str, snippet: str, environment: Environment) -> str:
    process = await asyncio.create_subprocess_exec(
        *INTERPRETERS[language],
        snippet,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_programs_answer(environment: Environment) -> None:
    from_openai, both_ways, _ = _snippets("python")
    assert await _run("python", from_openai, environment) == "Name three rivers.\n"
    assert await _run("python", both_ways, environment) == "Once upon a time\n"


async def test_the_call_over_grpc_streams() -> None:
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    ours = {"HEADRACE_GRPC": address, "HEADRACE_KEY": KEY, "HEADRACE_MODEL": "echo"}
    async with (
        running_gateway() as gateway,
        serving([gateway.servicer.registration()], grpc_address=address),
    ):
        output = await _run("python", _snippets("python")[2], {**os.environ, **ours})
    assert output == "Once upon a time\n"


async def test_a_key_is_made_as_the_one_of_litellm_was(environment: Environment) -> None:
    made = json.loads(await _run("sh", _snippets("sh")[0], environment))
    assert made["secret"].startswith("hr_")
    assert (made["allowed_models"], made["budget"]["amount_micros"]) == (["echo"], 20_000_000)


async def test_both_streams_say_the_same(environment: Environment) -> None:
    output = await _run("sh", _snippets("sh")[1], environment)
    native, openai = (part.split("\n\n") for part in output.split("data: [DONE]")[:2])
    texts, usages = zip(*(_read(blocks) for blocks in (native, openai)), strict=True)
    assert texts == ("Once upon a time",) * 2
    assert usages[0] == usages[1] is not None


def _read(blocks: list[str]) -> tuple[str, object]:
    chunks = [json.loads(block.strip().removeprefix("data: ")) for block in blocks if block.strip()]
    text = "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])
    return text, chunks[-1]["usage"]
