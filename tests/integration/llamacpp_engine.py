"""A running llamacpp engine, and as many questions at once as it has slots."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from headrace_common.clock import SystemClock
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions

SLOTS = 8
CHUNK_TOKENS = 128

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@asynccontextmanager
async def running_engine(model: Path, context_tokens: int) -> AsyncIterator[LlamaCppEngine]:
    """An engine with SLOTS slots and one thread."""
    options = LlamaCppOptions(model, SLOTS, context_tokens, 1, prefill_chunk_tokens=CHUNK_TOKENS)
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    try:
        yield engine
    finally:
        async with asyncio.timeout(30):
            await engine.close()


async def ask_all(
    ask: Callable[[Question], Awaitable[Answer]], questions: Iterable[Question]
) -> list[Answer]:
    """The answers in the order of the questions, of which SLOTS are asked at a time."""
    slots = asyncio.Semaphore(SLOTS)

    async def ask_in_slot(question: Question) -> Answer:
        async with slots:
            return await ask(question)

    return await asyncio.gather(*map(ask_in_slot, questions))
