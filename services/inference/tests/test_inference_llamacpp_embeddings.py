"""llama.cpp with the real embedding model, and with calls that do not come back as they should."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.llamacpp.call import Call
from headrace_inference.adapters.llamacpp.embeddings import LlamaCppEmbeddings
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.domain.requests import Message
from headrace_inference.engines import create_engine
from headrace_inference.settings import InferenceSettings
from headrace_inference.testing import (
    LONGEST_PAUSE_SECONDS,
    TEXTS,
    EmbeddingSuite,
    embed,
    pauses_during,
    prepared_embedding_model,
    prepared_model,
    question,
    similarity,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LlamaCppEmbeddings]:
    options = LlamaCppOptions(prepared_embedding_model(), slots=4, context_tokens=2048, threads=1)
    engine = LlamaCppEmbeddings(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


class TestLlamaCppEmbeddings(EmbeddingSuite):
    pass


async def test_what_means_the_same_is_near(engine: LlamaCppEmbeddings) -> None:
    password, login, recipe, _ = await embed(engine, *TEXTS)
    assert similarity(password, login) > similarity(password, recipe) + 0.3


async def test_the_model_bounds_the_context_whatever_the_setting(
    engine: LlamaCppEmbeddings,
) -> None:
    assert engine.info.context_tokens == 512
    full = "word " * 510
    assert len(await engine.tokenize(full)) == 512
    assert len(await embed(engine, full)) == 1


async def test_a_text_that_is_too_long_is_never_cut(engine: LlamaCppEmbeddings) -> None:
    assert len(await engine.tokenize("word " * 600)) == 602
    with pytest.raises(HeadraceError, match="no embeddings"):
        await embed(engine, "word " * 600)


async def test_it_does_not_generate(engine: LlamaCppEmbeddings) -> None:
    with pytest.raises(HeadraceError, match="embeddings only"):
        engine.info.capabilities.check(question("hi"))
    with pytest.raises(HeadraceError, match="embeddings only"):
        await engine.tokenize((Message("user", "hi"),))


async def test_the_event_loop_stays_free(engine: LlamaCppEmbeddings) -> None:
    run = asyncio.ensure_future(embed(engine, *("a long sentence about rain " * 20,) * 16))
    pauses = await pauses_during(run)
    assert len(pauses) > 3
    assert max(pauses) < LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize("text", ["한국어 텍스트", "हिन्दी में", "x" * 150])
async def test_words_are_taken_apart_as_the_model_learned_it(
    engine: LlamaCppEmbeddings, text: str
) -> None:
    tokens = await engine.tokenize(text)
    assert (tokens[0], tokens[-1]) == (101, 102)
    assert (100 in tokens) == text.startswith("x")


async def test_the_file_decides_what_the_engine_is_for() -> None:
    def made_of(path: Path) -> object:
        return create_engine(InferenceSettings(model_path=path), SystemClock())

    assert isinstance(made_of(prepared_embedding_model()), LlamaCppEmbeddings)
    assert isinstance(made_of(prepared_model()), LlamaCppEngine)
    assert isinstance(made_of(Path("/nowhere.gguf")), LlamaCppEngine)


async def test_a_file_without_bert_is_refused_with_what_to_do() -> None:
    options = LlamaCppOptions(prepared_model(), slots=1, context_tokens=64, threads=1)
    engine = LlamaCppEmbeddings(options, SystemClock())
    with pytest.raises(HeadraceError, match="--model all-minilm-l6-v2"):
        await engine.start()
    await engine.close()


async def test_a_call_that_does_not_come_back_stalls_and_is_told_so() -> None:
    gate = threading.Event()

    def hang(_body: Mapping[str, Any]) -> None:
        gate.wait(30)

    call = Call(hang, {})
    with pytest.raises(HeadraceError, match="stalled") as caught:
        await call.answer(0.05)
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert not await call.ended(5)
    gate.set()


async def test_a_call_that_fails_says_so_without_the_library_s_words() -> None:
    def fail(_body: Mapping[str, Any]) -> None:
        raise RuntimeError("your secret text")

    call = Call(fail, {})
    with pytest.raises(HeadraceError) as caught:
        await call.answer(5)
    assert caught.value.message == "the engine failed"
    assert await call.ended(5)


async def test_a_call_whose_caller_left_is_waited_for() -> None:
    gate = threading.Event()

    def wait(_body: Mapping[str, Any]) -> bool:
        return gate.wait(30)

    call = Call(wait, {})
    waiting = asyncio.ensure_future(call.answer(30))
    await settle()
    waiting.cancel()
    ending = asyncio.ensure_future(call.ended(30))
    gate.set()
    assert await ending


@pytest.mark.parametrize("slots", [1, 3])
async def test_any_number_of_slots_will_do(slots: int) -> None:
    """512 tokens cannot be shared out among 3 slots, which the library aborts the process for."""
    options = LlamaCppOptions(prepared_embedding_model(), slots, context_tokens=512, threads=1)
    engine = LlamaCppEmbeddings(options, SystemClock())
    await engine.start()
    vectors = await embed(engine, *TEXTS, "word " * 510)
    await engine.close()
    assert [len(vector) for vector in vectors] == [384] * 5
