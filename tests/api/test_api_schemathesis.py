"""Requests made up from the API's document: answers are as it says, and none is a fault of ours."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
EXAMPLES = 2
"""For each operation, beside one for each bound and kind of its fields; the run takes a minute."""


@pytest.fixture
async def world() -> AsyncIterator[dict[str, str]]:
    """A gateway before a real auth: its URL, and credentials of an owner."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.api.served_world", stdout=PIPE, cwd=FOLDER.parents[1]
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            told: dict[str, str] = json.loads(await process.stdout.readline())
        yield told
    finally:
        process.kill()
        await process.communicate()


async def _expect_no_finding(url: str, folder: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("st"), "--config-file", FOLDER / "schemathesis.toml"),
        *("run", f"{url}/openapi.json", "--no-color", "--seed", "1"),
        *("--exclude-checks", "positive_data_acceptance", "--max-examples", str(EXAMPLES)),
        *("--phases", "examples,coverage,fuzzing", "--warnings", "off", "--max-redirects", "0"),
        *arguments,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,  # where it remembers what it has seen
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("credential", ["", "key", "token"])
async def test_no_request_brings_what_the_document_does_not_say(
    world: dict[str, str], tmp_path: Path, credential: str
) -> None:
    if not credential:
        await _expect_no_finding(world["url"], tmp_path)
        return
    await _expect_no_finding(
        world["url"],
        tmp_path,
        *("--header", f"Authorization: Bearer {world[credential]}"),
        # Some of these end the token's own session.
        *("--exclude-path-regex", r"/auth/(logout|sessions|password|second-factor/.*)$"),
        # Strangers have met the others.
        *("--include-path-regex", "^/(v1|api/v1)/"),
    )
