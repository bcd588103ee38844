"""Hides how much work an answer took, where that would tell who has an account."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

STEP_SECONDS = 0.25
"""Many times what the slower way takes; a loaded database may need several steps."""


@asynccontextmanager
async def even_time(step_seconds: float) -> AsyncIterator[None]:
    """Let a block that succeeds take a whole number of steps; 0 leaves it alone."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    yield
    if step_seconds:
        await asyncio.sleep(-(loop.time() - started) % step_seconds)
