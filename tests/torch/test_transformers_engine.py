"""The transformers engine with the real model: the engines' suite, and what only it can show."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_inference.adapters.transformers import TransformersEngine
from headrace_inference.adapters.transformers_options import TransformersOptions
from headrace_inference.testing import EngineSuite, collect, prepared_checkpoint, request_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def model() -> Path:
    return prepared_checkpoint()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[TransformersEngine]:
    options = TransformersOptions(
        str(model), slots=4, context_tokens=1024, threads=2, device="cpu", dtype="fp32"
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


class TestTransformersEngine(EngineSuite):
    pass


async def test_it_answers_sensibly(engine: TransformersEngine) -> None:
    got = await collect(engine, request_for("The capital of France is", max_tokens=4))
    assert "Paris" in got.texts[0]
