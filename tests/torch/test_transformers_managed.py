"""The way to CUDA, through the library's own batching manager, tried on the CPU."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import Batching, TransformersOptions
from headrace_inference.testing import QUESTIONS, EngineSuite, collect, question

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def start(model: Path, batching: Batching) -> TransformersEngine:
    options = TransformersOptions(
        str(model), 4, 512, threads=1, device="cpu", dtype="fp32", batching=batching
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    return engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[TransformersEngine]:
    engine = await start(model, "manager")
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


class TestManagedTransformersEngine(EngineSuite):
    pass


async def test_it_draws_as_the_slots_do(engine: TransformersEngine, model: Path) -> None:
    requests = [
        question(text, max_tokens=6, temperature=1.0, seed=number, top_logprobs=1)
        for number, text in enumerate(QUESTIONS)
    ]
    managed = await asyncio.gather(*(collect(engine, request) for request in requests))
    slots = await start(model, "slots")
    ours = await asyncio.gather(*(collect(slots, request) for request in requests))
    await slots.close()
    assert [got.texts for got in managed] == [got.texts for got in ours]
    for their, our in zip(managed, ours, strict=True):
        pairs = zip(their.deltas[0].logprobs, our.deltas[0].logprobs, strict=False)
        assert all(abs(one.logprob - other.logprob) < 1e-3 for one, other in pairs)
