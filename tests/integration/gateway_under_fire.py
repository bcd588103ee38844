"""A gateway process, how much memory it takes, and callers who open connections to it."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MEBIBYTE = 1024 * 1024
PROCESS = Path(__file__).with_name("gateway_process.py")


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """One that runs."""

    port: int
    process: Process

    def resident_mebibytes(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / MEBIBYTE

    async def line(self) -> str:
        """What it prints next."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()


@asynccontextmanager
async def gateway_process(engine: str, **settings: Any) -> AsyncIterator[GatewayProcess]:
    """It is killed in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROCESS, engine, json.dumps(settings), stdout=PIPE, stderr=DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            port = int(await process.stdout.readline())
        yield GatewayProcess(port, process)
    finally:
        process.kill()
        await process.communicate()
