"""Random joins and cancels before the transformers engine leave nothing behind."""

import asyncio
from pathlib import Path

import pytest
from tests.stack.inference_crowd import Crowd, expect_nothing_left

from headrace_common.clock import SystemClock
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import Batching, TransformersOptions


@pytest.mark.parametrize(("batching", "examples"), [("slots", 4), ("manager", 3)])
def test_a_crowd_before_transformers_leaves_nothing_behind(
    model: Path, batching: Batching, examples: int
) -> None:
    with asyncio.Runner() as runner:
        engine = runner.run(_started(model, batching))
        expect_nothing_left(lambda: Crowd(runner, engine), examples=examples, steps=12)
        runner.run(engine.close())


def test_a_crowd_before_an_embedding_model_of_transformers_leaves_nothing_behind(
    minilm: Path,
) -> None:
    with asyncio.Runner() as runner:
        engine = runner.run(_started(minilm, "auto"))
        expect_nothing_left(lambda: Crowd(runner, engine), examples=6, steps=20)
        runner.run(engine.close())


async def _started(model: Path, batching: Batching) -> TransformersEngine:
    options = TransformersOptions(
        str(model), 3, 64, threads=1, device="cpu", dtype="fp32", batching=batching
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    return engine
